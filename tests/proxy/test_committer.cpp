#include <catch2/catch.hpp>
#include <string>

#include "proxy/committer.hpp"
#include "proxy/live_copies.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/appender.hpp"
#include "spindle/spool/recovery.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

namespace {

constexpr const char* directory = "/spool";

/// A spool in memory with what it takes to make batches for it.
struct Spool {
  Spool()
      : log(*spool::recover(files, directory, "0123456789abcdef",
                            [](const spool::Record&) { return Result<void>{}; })) {
    log.appender.roll("state", 1);
    first = log.appender.take_batch();
  }

  std::shared_ptr<const spool::Batch> batch_of(std::initializer_list<std::string> topics) {
    log.appender.begin(2);
    for (const std::string& topic : topics) log.appender.append(spool::Kind::events, topic, "packet of " + topic, 1);
    log.appender.append(spool::Kind::outcome, "", "outcome", 0);
    log.appender.finish();
    return log.appender.take_batch();
  }

  MemoryFiles files;
  spool::RecoveredLog log;
  std::shared_ptr<const spool::Batch> first;
};

Committed wait_for(Committer& committer) {
  committer.wait(10s);
  auto done = committer.take();
  REQUIRE(done.size() == 1);
  return std::move(done.front());
}

}  // namespace

TEST_CASE("the committer makes a batch durable and says which") {
  Spool spool;
  {
    Committer committer(spool.files, directory);
    REQUIRE(committer.idle());
    committer.write({1, spool.first});
    CHECK_FALSE(committer.idle());
    CHECK(wait_for(committer).result.has_value());
    CHECK(committer.idle());
    committer.write({2, spool.batch_of({"a", "b"})});
    const Committed done = wait_for(committer);
    CHECK(done.result.has_value());
    CHECK(done.done.number == 2);
  }
  spool.log.lock.reset();
  std::vector<std::string> topics;
  auto again = spool::recover(spool.files, directory, "0123456789abcdef", [&](const spool::Record& record) {
    if (record.kind == spool::Kind::events) topics.emplace_back(record.topic);
    return Result<void>{};
  });
  REQUIRE(again);
  CHECK(topics == std::vector<std::string>{"a", "b"});
}

TEST_CASE("the committer finishes the batch in hand before it ends") {
  Spool spool;
  { Committer(spool.files, directory).write({1, spool.first}); }
  CHECK(spool::list_segments(spool.files, directory)->size() == 1);
}

TEST_CASE("live copies are the events of the batches, in log order") {
  Spool spool;
  LiveCopies copies;
  REQUIRE(copies.offer(spool.first));  // state only
  REQUIRE(copies.offer(spool.batch_of({"a", "b"})));
  REQUIRE(copies.offer(spool.batch_of({"c"})));
  CHECK(copies.empty());
  copies.take();
  std::string seen;
  while (auto copy = copies.next()) {
    CHECK(copy->packet == "packet of " + std::string(copy->topic));
    seen += copy->topic;
  }
  CHECK(seen == "abc");
  CHECK(copies.empty());
}

TEST_CASE("a forwarder that is behind misses whole batches and then gets new ones") {
  Spool spool;
  LiveCopies copies;
  auto batch = std::make_shared<spool::Batch>();
  batch->bytes = LiveCopies::bytes_max;
  REQUIRE(copies.offer(batch));
  CHECK_FALSE(copies.offer(spool.batch_of({"a"})));
  copies.take();
  CHECK_FALSE(copies.offer(spool.batch_of({"b"})));  // taken is not sent yet
  CHECK_FALSE(copies.next());
  REQUIRE(copies.offer(spool.batch_of({"c"})));
  copies.take();
  CHECK(copies.next()->topic == "c");
}

TEST_CASE("a batch larger than the bound goes when nothing else waits") {
  LiveCopies copies;
  auto batch = std::make_shared<spool::Batch>();
  batch->bytes = 3 * LiveCopies::bytes_max;
  CHECK(copies.offer(batch));
  CHECK_FALSE(copies.offer(batch));
  copies.take();
  copies.drop_taken();
  CHECK(copies.offer(batch));
}
