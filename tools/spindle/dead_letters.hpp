#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"

namespace spindle::cli {

class Client;

/// Which dead letters of a group are meant.
struct LetterFilter {
  /// A pattern of the topics that the events had, "": any.
  std::string topic;
  /// Text that stands in the reason, "": any.
  std::string reason;
  /// Of the letter itself.
  std::optional<std::uint64_t> offset = std::nullopt;

  bool chooses_all() const { return topic.empty() && reason.empty() && !offset; }
};

/// A dead letter as the proxy lists it (PROTOCOL.md, "Administration").
struct Letter {
  std::uint64_t offset = 0;
  WallNs time_ns = 0;
  std::string topic;
  std::string reason;
  std::uint64_t attempts = 0;
  std::uint64_t origin = 0;
  std::string id;
  std::uint64_t replays = 0;
};

struct UnreadableLetter {
  std::uint64_t offset = 0;
  std::string why;
};

struct LetterPage {
  std::vector<Letter> letters;
  std::vector<UnreadableLetter> unreadable;
  /// Where the next page begins; nothing behind the last.
  std::optional<std::uint64_t> next;
};

Result<LetterPage> read_letters(BytesView body);

/// Asks for all pages and gives each to `use`.
Result<void> list_letters(Client& client, const std::string& group, const LetterFilter& filter,
                          const std::function<Result<void>(const LetterPage&)>& use);

/// One letter with its event, as a JSON object and a line end. not_found: there is none at that offset;
/// the text names the letter of the event that is.
Result<Bytes> letter_as_json(Client& client, const std::string& group, std::uint64_t offset);
/// The same of what a list has of a letter.
void append_letter(Bytes& out, const std::string& group, const Letter& letter);

/// What came of replaying or discarding letters.
struct LetterOutcome {
  std::uint64_t done = 0;
  /// No letters any more: somebody dealt with them meanwhile, or this did and did not hear of it.
  std::uint64_t gone = 0;
  std::uint64_t left = 0;
  std::vector<UnreadableLetter> unreadable;
  /// Why it goes no further, or "".
  std::string stopped;
};

/// Has these letters (ascending offsets) replayed or discarded, as many at once as the proxy takes. `verb` is
/// dead_replay or dead_discard. Ends early when the proxy says that it goes no further.
Result<LetterOutcome> deal_with_letters(Client& client, const std::string& verb, const std::string& group,
                                        const std::vector<std::uint64_t>& offsets);

/// The names of all groups that keep dead letters.
Result<std::vector<std::string>> groups_with_letters(Client& client);

}  // namespace spindle::cli
