#pragma once

#include <string>

#include "spindle/wire/message.hpp"

namespace spindle::wire {

inline constexpr std::uint64_t protocol_version = 1;

/// Client: opens a session. A source of "" asks for one that only administers.
struct Hello {
  static constexpr Kind kind = Kind::hello;
  static constexpr std::size_t field_count = 10;
  std::uint64_t protocol_min = protocol_version;
  std::uint64_t protocol_max = protocol_version;
  std::vector<std::string> features;
  std::string source;
  /// The epoch this process was granted before, or 0: then it is new and fences older processes of the source.
  std::uint64_t epoch = 0;
  /// The spool it last knew ("" for none), that spool's incarnation, and the highest number acknowledged there.
  std::string spool;
  std::uint64_t incarnation = 0;
  std::uint64_t acknowledged = 0;
  /// A random number that this process keeps, and how many hellos it has said with this one: so that one that comes
  /// late on a connection that was given up is known as such. A client may leave both out, or say 0.
  std::uint64_t process = 0;
  std::uint64_t hellos = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: answers hello. Everything in it is durable when it arrives.
struct Welcome {
  static constexpr Kind kind = Kind::welcome;
  static constexpr std::size_t field_count = 16;
  std::uint64_t answers = 0;
  std::uint64_t version = protocol_version;
  std::vector<std::string> features;
  std::uint64_t session = 0;
  std::uint64_t epoch = 0;
  /// "" for a proxy without a spool.
  std::string spool;
  std::uint64_t incarnation = 0;
  /// The number of the last commit stored (or finally refused) for the source: the next one is one more.
  std::uint64_t last_number = 0;
  /// Host for the live ports, or "" for the one that was dialled.
  std::string host;
  std::uint64_t publish_port = 0;
  std::uint64_t subscribe_port = 0;
  std::uint64_t heartbeat_ms = 0;
  std::uint64_t lease_ms = 0;
  std::uint64_t publish_window_bytes = 0;
  std::uint64_t commits_in_flight_max = 0;
  std::uint64_t event_bytes_max = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client (its keeper, on a socket of its own, session 0 in the envelope): these sessions' processes are alive.
struct Renew {
  static constexpr Kind kind = Kind::renew;
  static constexpr std::size_t field_count = 1;
  std::vector<std::uint64_t> sessions;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Either side: the session ends here; the proxy says it when it is stopped.
struct Goodbye {
  static constexpr Kind kind = Kind::goodbye;
  static constexpr std::size_t field_count = 1;
  std::string reason;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: what was asked cannot be done. `answers` is 0 when it is about the session as a whole.
struct ErrorMessage {
  static constexpr Kind kind = Kind::error;
  static constexpr std::size_t field_count = 5;
  std::uint64_t answers = 0;
  std::string code;
  std::string error_class;
  std::string text;
  /// For group_deleted: the client's member that is in no group any more. Else 0.
  std::uint64_t member = 0;

  static ErrorMessage of(std::uint64_t answers, const Error& error);
  /// As an Error; a code this version does not know becomes `unsupported`, with the code in the text.
  Error to_error() const;
  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: asks for or changes something that is not an event (PROTOCOL.md, "Administration").
struct Admin {
  static constexpr Kind kind = Kind::admin;
  static constexpr std::size_t field_count = 3;
  std::string verb;
  /// What the verb is about: a group's name, mostly; "" for everything.
  std::string subject;
  /// A msgpack map from names to what the verb takes; empty for none. A client may leave the field out.
  Bytes arguments = {};

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: answers admin; `body` is one msgpack value.
struct AdminReply {
  static constexpr Kind kind = Kind::admin_reply;
  static constexpr std::size_t field_count = 2;
  std::uint64_t answers = 0;
  Bytes body;

  void write(Writer& to) const;
  void read(Cursor& at);
};

}  // namespace spindle::wire
