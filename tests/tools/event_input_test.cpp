#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tools/spindle/event_input.hpp"

using namespace spindle;
using namespace spindle::cli;

namespace {

struct Seen {
  std::vector<std::uint64_t> lines;
  std::vector<std::size_t> sizes;
  std::optional<Error> wrong;
};

/// All of what a writer puts into a pipe, a piece at a time.
Seen read_all(std::vector<std::string> pieces) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  std::thread writer([&] {
    for (const std::string& piece : pieces) {
      for (std::size_t at = 0; at < piece.size();) {
        const ssize_t written = ::write(ends[1], piece.data() + at, piece.size() - at);
        if (written <= 0) break;
        at += static_cast<std::size_t>(written);
      }
    }
    ::close(ends[1]);
  });
  EventInput input(ends[0], "");
  Seen seen;
  while (!input.ended()) {
    input.read();
    while (auto event = input.next()) {
      seen.lines.push_back(event->line);
      seen.sizes.push_back(event->data.size());
    }
  }
  std::string rest(65'536, '\0');
  while (::read(ends[0], rest.data(), rest.size()) > 0) {
  }
  writer.join();
  ::close(ends[0]);
  seen.wrong = input.wrong();
  return seen;
}

}  // namespace

TEST_CASE("lines are numbered from 1, blank ones counted but skipped, the last may lack its newline") {
  CHECK(read_all({"1\n\n2\r\n  \n3"}).lines == std::vector<std::uint64_t>{1, 3, 5});
  CHECK(read_all({""}).lines.empty());
  CHECK(read_all({"\n\n"}).lines.empty());
}

TEST_CASE("a line that comes in pieces is one event") {
  const std::string text(300'000, 'x');
  const Seen seen = read_all({"\"" + text, "\"\n\"", text + "\"\n"});
  CHECK(seen.sizes == std::vector<std::size_t>{300'005, 300'005});
  CHECK_FALSE(seen.wrong);
}

TEST_CASE("a wrong line ends the input and is named") {
  const Seen seen = read_all({"1\n2\n{\n4\n"});
  CHECK(seen.lines == std::vector<std::uint64_t>{1, 2});
  REQUIRE(seen.wrong);
  CHECK(seen.wrong->text.starts_with("line 3: "));
}

TEST_CASE("a line without end is refused at its limit") {
  const Seen seen = read_all({"1\n\"", std::string(line_bytes_max + 2 * EventInput::read_bytes, 'x')});
  CHECK(seen.lines == std::vector<std::uint64_t>{1});
  REQUIRE(seen.wrong);
  CHECK(seen.wrong->code == ErrorCode::too_large);
  CHECK(seen.wrong->text.starts_with("line 2: "));
}
