#include <catch2/catch.hpp>
#include <thread>

#include "fake_port.hpp"
#include "spindle/actor/publish_queue.hpp"

using namespace rig;
using namespace std::chrono_literals;
using spindle::actor::PublishQueue;

namespace {

template <class E>
Result<Receipt> add(PublishQueue& queue, const E& event, std::string_view topic = E::topic) {
  return queue.add(topic, key_hash(event), E::durable, [&](Bytes& out) { return encode(event, out); });
}

int number_of(const PublishQueue::Batch& batch, std::size_t index) {
  wire::Values scratch;
  return decode<Ping>(batch.event(index).data, scratch).value().number;
}

struct Large {
  static constexpr std::string_view topic = "rig.large";
  static constexpr bool durable = true;
  std::string text;
  MSGPACK_DEFINE_MAP(text)
};

}  // namespace

TEST_CASE("the queue keeps each thread's order and gives everything at once") {
  constexpr int threads = 4;
  constexpr int each = 2'000;
  PublishQueue queue;
  std::vector<std::thread> publishers;
  for (int t = 0; t < threads; ++t) {
    publishers.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) (void)add(queue, Ping{t * each + i}).value();
    });
  }
  std::vector<int> next(threads, 0);
  int seen = 0;
  const Instant deadline = monotonic_now() + 20s;
  while (seen < threads * each && monotonic_now() < deadline) {
    queue.wakeup().wait(100ms);
    auto batch = queue.take();
    if (!batch) continue;
    for (std::size_t i = 0; i < batch->events.size(); ++i, ++seen) {
      const int number = number_of(*batch, i);
      const auto thread = static_cast<std::size_t>(number / each);
      CHECK(number % each == next[thread]++);
    }
    batch->receipts->stored(0, batch->events.size(), 0);
  }
  for (std::thread& publisher : publishers) publisher.join();
  CHECK(seen == threads * each);
  CHECK_FALSE(queue.take());
}

TEST_CASE("a receipt becomes ready with its own offset, or with why it was refused") {
  PublishQueue queue;
  std::vector<Receipt> receipts;
  for (int i = 0; i < 5; ++i) receipts.push_back(add(queue, Ping{i}).value());
  auto batch = queue.take();
  REQUIRE(batch);
  CHECK_FALSE(receipts[0].ready());
  CHECK(receipts[0].wait(0s).error().code == ErrorCode::timeout);
  batch->receipts->refused(3, 1, {ErrorCode::denied, "not yours"});  // in any order
  batch->receipts->stored(0, 3, 70);
  batch->receipts->stored(4, 1, std::nullopt);
  CHECK(receipts[0].wait(0s).value() == 70);
  CHECK(receipts[2].wait(0s).value() == 72);
  CHECK(receipts[3].wait(0s).error().code == ErrorCode::denied);
  CHECK(receipts[4].wait(0s).value() == 0);
  CHECK(receipts[4].ready());
}

TEST_CASE("waiting for a receipt ends when another thread tells it") {
  PublishQueue queue;
  const Receipt receipt = add(queue, Ping{}).value();
  std::thread worker([&] {
    queue.wakeup().wait(10s);
    queue.take()->receipts->stored(0, 1, 9);
  });
  CHECK(receipt.wait(20s).value() == 9);
  worker.join();
}

TEST_CASE("after close publishing fails with the reason, and what waits can still be taken") {
  PublishQueue queue;
  const Receipt receipt = add(queue, Ping{}).value();
  queue.close({ErrorCode::fenced, "a newer process has taken over"});
  CHECK(add(queue, Ping{}).error().code == ErrorCode::fenced);
  auto batch = queue.take();
  REQUIRE(batch);
  batch->receipts->close({ErrorCode::closed, "the end"});
  CHECK(receipt.wait(1h).error().code == ErrorCode::closed);
}

TEST_CASE("receipts end with a queue that nobody emptied") {
  auto queue = std::make_unique<PublishQueue>();
  const Receipt receipt = add(*queue, Ping{}).value();
  queue.reset();
  CHECK(receipt.wait(1h).error().code == ErrorCode::closed);
}

TEST_CASE("the queue is bounded and says so") {
  PublishQueue queue;
  Large large{std::string(1'000'000, 'x')};
  int taken = 0;
  for (; taken < 100; ++taken) {
    auto added = add(queue, large);
    if (added) continue;
    CHECK(added.error().code == ErrorCode::outbox_full);
    break;
  }
  CHECK(taken == 34);
  (void)queue.take();
  CHECK(add(queue, large));
}

TEST_CASE("what cannot be published leaves nothing behind in the queue") {
  PublishQueue queue;
  CHECK(add(queue, Ping{1}));
  CHECK(add(queue, Ping{2}, "not a topic").error().code == ErrorCode::invalid_argument);
  CHECK(add(queue, Ping{2}, "_spindle.x").error().code == ErrorCode::invalid_argument);
  CHECK(add(queue, Large{std::string(2'000'000, 'x')}).error().code == ErrorCode::too_large);
  CHECK(add(queue, Large{"\xff"}).error().code == ErrorCode::malformed);
  CHECK_THROWS(queue.add(Ping::topic, {}, true, [](Bytes& out) -> Result<void> {
    out += "half an event";
    throw std::bad_alloc();
  }));
  CHECK(add(queue, Ping{3}, "rig.other"));
  auto batch = queue.take();
  REQUIRE(batch);
  REQUIRE(batch->events.size() == 2);
  CHECK(number_of(*batch, 0) == 1);
  CHECK(number_of(*batch, 1) == 3);
  CHECK(batch->event(1).topic == "rig.other");
}
