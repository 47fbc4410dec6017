#include "proxy/dead_request.hpp"

#include <algorithm>

#include "proxy/text.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::proxy {
namespace {

constexpr std::size_t why_bytes_max = 500;

std::optional<DeadRequest::What> what_of(std::string_view verb) {
  if (verb == "dead") return DeadRequest::What::list;
  if (verb == "dead_replay") return DeadRequest::What::replay;
  if (verb == "dead_discard") return DeadRequest::What::discard;
  return std::nullopt;
}

/// An array of [offset, count].
void read_chosen(DeadRequest& request, wire::Cursor& at) {
  const std::uint32_t ranges = at.array("letters");
  for (std::uint32_t i = 0; i < ranges && at.ok(); ++i) {
    at.array("range of letters");
    const std::uint64_t begin = at.uint("offset");
    const std::uint64_t count = at.uint("count");
    if (!at.ok()) return;
    if (count > letters_per_request_max || begin + count < begin ||
        request.chosen.total() + count > letters_per_request_max) {
      return at.fail(ErrorCode::too_large, "a request replays or discards letters_per_request_max (1,000) letters");
    }
    if (count > 0) request.chosen.add({begin, begin + count});
  }
}

void read_argument(DeadRequest& request, wire::Cursor& at) {
  const std::string_view name = at.str("argument");
  if (!at.ok()) return;
  if (request.what != DeadRequest::What::list) {
    if (name == "letters") return read_chosen(request, at);
  } else if (name == "from") {
    request.at = at.uint(name);
    return;
  } else if (name == "max") {
    request.letters_max = std::clamp<std::uint64_t>(at.uint(name), 1, letters_per_request_max);
    return;
  } else if (name == "data") {
    request.with_data = at.boolean(name);
    return;
  } else if (name == "reason") {
    request.reason = at.str(name);
    return;
  } else if (name == "topic") {
    auto pattern = wire::Pattern::parse(at.str(name));
    if (!pattern) return at.fail(pattern.error().code, pattern.error().text);
    request.topic = std::move(*pattern);
    return;
  }
  at.fail(ErrorCode::unsupported, "the verb has no argument '" + std::string(name.substr(0, 40)) + "'");
}

}  // namespace

bool DeadRequest::is_one(std::string_view verb) { return what_of(verb).has_value(); }

Result<DeadRequest> DeadRequest::parse(const wire::Admin& admin, wire::Values& scratch) {
  DeadRequest request;
  request.what = what_of(admin.verb).value_or(What::list);
  if (!admin.arguments.empty()) {
    if (auto read = scratch.read_whole(admin.arguments); !read) return fail(std::move(read.error()));
    wire::Cursor at(scratch);
    const std::uint32_t pairs = at.map("arguments");
    for (std::uint32_t i = 0; i < pairs && at.ok(); ++i) read_argument(request, at);
    if (!at.ok()) return fail(at.error());
  }
  if (request.what != What::list && request.chosen.empty()) {
    return fail(ErrorCode::invalid_argument, "the argument 'letters' says which: an array of [offset, count]");
  }
  return request;
}

std::optional<Interval> DeadRequest::next(const IntervalSet& kept, std::uint64_t end) const {
  std::uint64_t offset = at;
  while (offset < end) {
    const std::uint64_t letter = kept.next_in(offset);
    offset = what == What::list ? letter : chosen.next_in(letter);
    if (offset == letter) break;  // both have it
  }
  if (offset >= end) return std::nullopt;
  const std::uint64_t chosen_end = what == What::list ? end : chosen.end_of(offset);
  return Interval{offset, std::min({end, kept.end_of(offset), chosen_end})};
}

bool DeadRequest::full() const {
  if (!stopped.empty()) return true;
  if (what != What::list) return false;  // it is bounded by what was chosen, and some must not stop those behind
  return unreadable_count >= unreadable_letters_max || done >= letters_max ||
         letters.size() >= letters_answer_bytes_max || bytes_read >= letters_read_bytes_max;
}

void DeadRequest::add(const DeadLetter& letter) {
  if (topic && !topic->matches(letter.topic)) return;
  if (letter.reason.find(reason) == std::string::npos) return;
  ++done;
  wire::Writer to(letters);
  to.map(with_data ? 12 : 9).str("offset").uint(letter.letter_offset).str("time_ns").sint(letter.died_ns);
  to.str("deadtopic").str(letter.topic).str("deadreason").str(letter.reason);
  to.str("deadattempts").uint(letter.attempts).str("deadoffset").uint(letter.offset).str("deadid").str(letter.id);
  to.str("deadtime").sint(letter.published_ns).str("deadreplays").uint(letter.replays);
  if (!with_data) return;
  to.str("key");
  letter.key ? to.uint(*letter.key) : to.nil();
  to.str("attributes");
  letter.event.attributes.empty() ? to.nil() : to.raw(letter.event.attributes);
  to.str("data").bin(letter.event.data);
}

void DeadRequest::add_unreadable(std::uint64_t offset, std::string_view why) {
  ++unreadable_count;
  const std::string text = clean_text(std::string(why), why_bytes_max);
  wire::Writer(unreadable).map(2).str("offset").uint(offset).str("why").str(text);
}

Bytes DeadRequest::answer(const IntervalSet& kept, std::uint64_t kept_count, std::uint64_t end) const {
  Bytes body;
  wire::Writer to(body);
  if (what == What::list) {
    to.map(4).str("letters").array(done).raw(letters).str("kept").uint(kept_count).str("next");
    const auto more = next(kept, end);
    more ? to.uint(more->begin) : to.nil();
  } else {
    std::uint64_t left = 0;
    for (const Interval& range : chosen.intervals()) {
      left += range.size();
      for (const Interval& gap : kept.gaps(range)) left -= gap.size();
    }
    to.map(5).str("done").uint(done).str("gone").uint(chosen.total() - done - left).str("left").uint(left);
    to.str("stopped");
    stopped.empty() ? to.nil() : to.str(stopped);
  }
  to.str("unreadable").array(unreadable_count).raw(unreadable);
  return body;
}

}  // namespace spindle::proxy
