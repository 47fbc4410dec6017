#include "tools/spindle/dead_letters.hpp"

#include <algorithm>

#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"
#include "tools/spindle/ask.hpp"
#include "tools/spindle/event_line.hpp"
#include "tools/spindle/group_figures.hpp"
#include "tools/spindle/msgpack_to_json.hpp"

namespace spindle::cli {
namespace {

constexpr std::size_t letters_per_request = 1'000;  // the proxy's letters_per_request_max

void read_letter_field(Letter& letter, wire::Cursor& at) {
  const std::string_view key = at.str("key");
  if (key == "offset") {
    letter.offset = at.uint(key);
  } else if (key == "time_ns") {
    letter.time_ns = at.sint(key);
  } else if (key == "deadtopic") {
    letter.topic = at.str(key);
  } else if (key == "deadreason") {
    letter.reason = at.str(key);
  } else if (key == "deadattempts") {
    letter.attempts = at.uint(key);
  } else if (key == "deadoffset") {
    letter.origin = at.uint(key);
  } else if (key == "deadid") {
    letter.id = at.str(key);
  } else if (key == "deadreplays") {
    letter.replays = at.uint(key);
  } else {
    at.skip();
  }
}

void read_unreadable(std::vector<UnreadableLetter>& into, wire::Cursor& at) {
  const std::uint32_t count = at.array("unreadable");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
    UnreadableLetter& one = into.emplace_back();
    const std::uint32_t pairs = at.map("unreadable letter");
    for (std::uint32_t k = 0; k < pairs && at.ok(); ++k) {
      const std::string_view key = at.str("key");
      if (key == "offset") {
        one.offset = at.uint(key);
      } else if (key == "why") {
        one.why = at.str(key);
      } else {
        at.skip();
      }
    }
  }
}

/// Reads a map with `read_field(key, cursor)`.
template <class ReadField>
Result<void> read_map(BytesView body, ReadField read_field) {
  wire::Values values;
  if (auto read = values.read_whole(body); !read) return fail(read.error());
  wire::Cursor at(values);
  const std::uint32_t pairs = at.map("answer");
  for (std::uint32_t i = 0; i < pairs && at.ok(); ++i) read_field(at.str("key"), at);
  if (!at.ok()) return fail(at.error());
  return {};
}

Bytes list_arguments(const LetterFilter& filter, std::uint64_t from, std::uint64_t max, bool data) {
  Bytes bytes;
  wire::Writer to(bytes);
  to.map(3 + std::size_t{!filter.topic.empty()} + std::size_t{!filter.reason.empty()});
  to.str("from").uint(from).str("max").uint(max).str("data").boolean(data);
  if (!filter.topic.empty()) to.str("topic").str(filter.topic);
  if (!filter.reason.empty()) to.str("reason").str(filter.reason);
  return bytes;
}

Bytes chosen_letters(const std::uint64_t* begin, const std::uint64_t* end) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  // offset, count
  for (const std::uint64_t* offset = begin; offset != end; ++offset) {
    if (!ranges.empty() && ranges.back().first + ranges.back().second == *offset) {
      ++ranges.back().second;
    } else {
      ranges.emplace_back(*offset, 1);
    }
  }
  Bytes bytes;
  wire::Writer to(bytes);
  to.map(1).str("letters").array(ranges.size());
  for (const auto& [offset, count] : ranges) to.array(2).uint(offset).uint(count);
  return bytes;
}

/// The first element of the array `letters` in the answer; empty when there is none.
Result<BytesView> first_letter(BytesView body) {
  std::size_t at = 0;
  const std::uint32_t pairs = wire::map_head(body, at).value_or(0);
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const auto key = wire::str_at(body, at);
    const std::size_t value = at;
    if (!key) break;
    if (*key == "letters") {
      if (wire::array_head(body, at).value_or(0) == 0) return BytesView{};
      const std::size_t letter = at;
      if (!wire::skip_value(body, at)) break;
      return body.substr(letter, at - letter);
    }
    at = value;
    if (!wire::skip_value(body, at)) break;
  }
  return fail(ErrorCode::malformed, "the proxy's answer is no list of dead letters");
}

/// `"name":value`, times for people, data as what it holds.
Result<void> append_field(Bytes& out, std::string_view name, BytesView value, MsgpackToJson& to_json) {
  wire::Values values;
  if (auto read = values.read_whole(value); !read) return fail(read.error());
  wire::Cursor at(values);
  const bool is_time = name == "time_ns" || name == "deadtime";
  append_json_string(out, name == "time_ns" ? "time" : name);
  out += ':';
  if (is_time) {
    out += '"';
    append_time(out, at.sint(name));
    out += '"';
    return {};
  }
  return to_json.append(out, name == "data" ? at.bin(name) : value);
}

}  // namespace

Result<LetterPage> read_letters(BytesView body) {
  LetterPage page;
  auto read = read_map(body, [&](std::string_view key, wire::Cursor& at) {
    if (key == "letters") {
      const std::uint32_t count = at.array(key);
      for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
        Letter& letter = page.letters.emplace_back();
        const std::uint32_t pairs = at.map("letter");
        for (std::uint32_t k = 0; k < pairs && at.ok(); ++k) read_letter_field(letter, at);
      }
    } else if (key == "unreadable") {
      read_unreadable(page.unreadable, at);
    } else if (key == "next") {
      if (!at.nil()) page.next = at.uint(key);
    } else {
      at.skip();
    }
  });
  if (!read) return fail(read.error());
  return page;
}

Result<void> list_letters(Client& client, const std::string& group, const LetterFilter& filter,
                          const std::function<Result<void>(const LetterPage&)>& use) {
  std::uint64_t from = filter.offset.value_or(0);
  while (true) {
    const std::uint64_t max = filter.offset ? 1 : letters_per_request;
    auto body = ask(client, {"dead", group, list_arguments(filter, from, max, false)});
    if (!body) return fail(body.error());
    auto page = read_letters(*body);
    if (!page) return fail(page.error());
    if (filter.offset) {
      std::erase_if(page->letters, [&](const Letter& one) { return one.offset != *filter.offset; });
      std::erase_if(page->unreadable, [&](const UnreadableLetter& one) { return one.offset != *filter.offset; });
    }
    if (auto used = use(*page); !used) return used;
    if (!page->next || filter.offset) return {};
    from = *page->next;
  }
}

namespace {

/// Why there is no letter at this offset; an event's offset is what people have at hand, and its letter has another.
Error no_letter(Client& client, const std::string& group, std::uint64_t offset) {
  std::optional<std::uint64_t> letter;
  auto listed = list_letters(client, group, {}, [&](const LetterPage& page) -> Result<void> {
    for (const Letter& one : page.letters) {
      if (one.origin == offset) letter = one.offset;
    }
    return {};
  });
  if (!listed) return listed.error();
  const std::string at = "offset " + std::to_string(offset);
  if (!letter) {
    return {ErrorCode::not_found,
            at + " is no dead letter of group " + group + "; see: spindle dead list " + group + " --each"};
  }
  return {ErrorCode::not_found, at + " is the event itself; its dead letter is at " + std::to_string(*letter) +
                                    ": spindle dead show " + group + " " + std::to_string(*letter)};
}

}  // namespace

Result<Bytes> letter_as_json(Client& client, const std::string& group, std::uint64_t offset) {
  auto body = ask(client, {"dead", group, list_arguments({}, offset, 1, true)});
  if (!body) return fail(body.error());
  auto page = read_letters(*body);
  if (!page) return fail(page.error());
  if (!page->unreadable.empty() && page->unreadable.front().offset == offset) {
    return fail(ErrorCode::corrupt, page->unreadable.front().why);
  }
  if (page->letters.empty() || page->letters.front().offset != offset) {
    return fail(no_letter(client, group, offset));
  }
  auto letter = first_letter(*body);
  if (!letter) return fail(letter.error());
  MsgpackToJson to_json;
  Bytes out = "{\"group\":";
  append_json_string(out, group);
  std::size_t at = 0;
  const std::uint32_t pairs = wire::map_head(*letter, at).value_or(0);
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const auto name = wire::str_at(*letter, at);
    const std::size_t value = at;
    if (!name || !wire::skip_value(*letter, at)) return fail(ErrorCode::malformed, "the letter is not a map");
    out += ',';
    if (auto done = append_field(out, *name, letter->substr(value, at - value), to_json); !done) {
      return fail(done.error());
    }
  }
  out += "}\n";
  return out;
}

void append_letter(Bytes& out, const std::string& group, const Letter& letter) {
  const auto text = [&](std::string_view name, std::string_view value) {
    out.append(",\"").append(name).append("\":");
    append_json_string(out, value);
  };
  const auto number = [&](std::string_view name, std::uint64_t value) {
    out.append(",\"").append(name).append("\":");
    append_json_number(out, value);
  };
  out += "{\"group\":";
  append_json_string(out, group);
  number("offset", letter.offset);
  out += ",\"time\":\"";
  append_time(out, letter.time_ns);
  out += '"';
  text("deadtopic", letter.topic);
  text("deadreason", letter.reason);
  number("deadattempts", letter.attempts);
  number("deadoffset", letter.origin);
  text("deadid", letter.id);
  number("deadreplays", letter.replays);
  out += "}\n";
}

Result<LetterOutcome> deal_with_letters(Client& client, const std::string& verb, const std::string& group,
                                        const std::vector<std::uint64_t>& offsets) {
  LetterOutcome all;
  std::size_t begin = 0;
  while (begin < offsets.size() && all.stopped.empty()) {
    const std::size_t end = std::min(offsets.size(), begin + letters_per_request);
    auto body = ask(client, {verb, group, chosen_letters(offsets.data() + begin, offsets.data() + end)});
    if (!body) return fail(body.error());
    auto read = read_map(*body, [&](std::string_view key, wire::Cursor& at) {
      if (key == "done") {
        all.done += at.uint(key);
      } else if (key == "gone") {
        all.gone += at.uint(key);
      } else if (key == "left") {
        all.left += at.uint(key);
      } else if (key == "unreadable") {
        read_unreadable(all.unreadable, at);
      } else if (key == "stopped") {
        if (!at.nil()) all.stopped = at.str(key);
      } else {
        at.skip();
      }
    });
    if (!read) return fail(read.error());
    begin = end;
  }
  all.left += offsets.size() - begin;
  return all;
}

Result<std::vector<std::string>> groups_with_letters(Client& client) {
  auto pages = ask_groups(client, "");
  if (!pages) return fail(pages.error());
  std::vector<std::string> names;
  for (const Bytes& page : *pages) {
    auto groups = read_groups(page);
    if (!groups) return fail(groups.error());
    for (GroupFigures& group : *groups) {
      if (group.letters > 0) names.push_back(std::move(group.name));
    }
  }
  return names;
}

}  // namespace spindle::cli
