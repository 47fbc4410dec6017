#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::wire {

/// The kinds of control messages (PROTOCOL.md, "Control messages"); on the wire a kind is its name.
enum class Kind : std::uint8_t {
  hello,
  welcome,
  renew,
  publish,
  published,
  halted,
  resume,
  attach,
  attached,
  deliver,
  credit,
  settle,
  settled,
  extend,
  detach,
  detached,
  lost,
  admin,
  admin_reply,
  goodbye,
  error,
};

std::string_view name(Kind kind);
std::optional<Kind> kind_named(std::string_view name);

/// What every control message begins with.
struct Envelope {
  Kind kind{};
  /// Granted by welcome; 0 before that.
  std::uint64_t session = 0;
  /// The sender's own count of messages in this session.
  std::uint64_t number = 0;
};

/// A topic and the packet on it: two frames of a message.
struct TopicPacket {
  SharedBytes topic;
  SharedBytes packet;
};

/// A control message as it travels: frame 0, then the frames of the packets.
struct Message {
  Bytes head;
  std::vector<TopicPacket> packets;
};

/// Frame 0 read as far as the envelope; the cursor stands at the kind's first own field.
class Head {
 public:
  /// `values` is scratch and must outlive the Head, as `bytes` must. Fails with `malformed`, or `unsupported` for a
  /// kind that this version does not know; then the envelope's session and number are still good for the answer.
  Head(BytesView bytes, Values& values);

  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }
  const Envelope& envelope() const { return envelope_; }
  /// The kind's own fields, in order; extra ones may follow and are ignored.
  Cursor fields() const { return fields_; }

 private:
  Envelope envelope_;
  Cursor fields_;
  std::optional<Error> error_;
};

/// Reads the fields of message struct M.
template <class M>
Result<M> decode(const Head& head) {
  Cursor at = head.fields();
  M message;
  message.read(at);
  if (!at.ok()) return fail(at.error());
  return message;
}

/// Encodes a message struct (those of *_messages.hpp) as frame 0.
template <class M>
Bytes encode(std::uint64_t session, std::uint64_t number, const M& message) {
  Bytes out;
  Writer to(out);
  to.array(3 + M::field_count).str(name(M::kind)).uint(session).uint(number);
  message.write(to);
  return out;
}

}  // namespace spindle::wire
