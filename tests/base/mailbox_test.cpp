#include "spindle/base/mailbox.hpp"

#include <poll.h>

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

using namespace spindle;
using namespace std::chrono_literals;

namespace {

bool readable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1;
}

}  // namespace

TEST_CASE("messages arrive in order and raise the descriptor until they are taken") {
  Mailbox<int> mailbox;
  CHECK_FALSE(readable(mailbox.fd()));
  mailbox.post(1);
  mailbox.post(2);
  CHECK(readable(mailbox.fd()));
  CHECK(mailbox.take() == std::vector{1, 2});
  CHECK_FALSE(readable(mailbox.fd()));
  CHECK(mailbox.take().empty());
}

TEST_CASE("no message of many threads is lost or left waiting") {
  constexpr int per_thread = 20'000;
  Mailbox<int> mailbox;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&mailbox] {
      for (int i = 0; i < per_thread; ++i) mailbox.post(i);
    });
  }
  std::size_t got = 0;
  const Instant deadline = monotonic_now() + 20s;
  while (got < 3 * per_thread && monotonic_now() < deadline) {
    mailbox.wait(1s);
    got += mailbox.take().size();
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(got == 3 * per_thread);
}
