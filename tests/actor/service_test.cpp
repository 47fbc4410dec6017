// Services with a real proxy beside them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "proxy_process.hpp"
#include "spindle/log.hpp"
#include "spindle/spindle.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/transport/link.hpp"
#include "spindle/transport/poll_set.hpp"

using namespace spindle;
using namespace std::chrono_literals;
using rig::patience;
using rig::ProxyProcess;
using rig::TemporaryDirectory;

namespace {

struct Ping {
  static constexpr std::string_view topic = "service.ping";
  static constexpr bool durable = true;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

struct Pong {
  static constexpr std::string_view topic = "service.pong";
  static constexpr bool durable = true;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

struct Text {
  static constexpr std::string_view topic = "service.text";
  static constexpr bool durable = true;
  std::string text;
  MSGPACK_DEFINE_MAP(text)
};

struct Blink {
  static constexpr std::string_view topic = "service.blink";
  static constexpr bool durable = false;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

/// What actors saw, for the test's thread to wait for.
class Seen {
 public:
  void add(int number) {
    {
      std::lock_guard lock(mutex_);
      numbers_.push_back(number);
    }
    changed_.notify_all();
  }
  bool wait(const std::function<bool(const std::vector<int>&)>& enough) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return enough(numbers_); });
  }
  bool wait_for_count(std::size_t count) {
    return wait([&](const auto& numbers) { return numbers.size() >= count; });
  }
  std::vector<int> numbers() {
    std::lock_guard lock(mutex_);
    return numbers_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> numbers_;
};

/// Answers each ping with a pong, in the same turn.
struct Ponger final : Actor {
  Ponger(ActorContext& context, Seen& seen) : Actor(context), seen_(seen) {
    group("pongers", {.backoff_min = 10ms}).on(&Ponger::on_ping);
  }
  void on_ping(const Ping& ping) {
    seen_.add(ping.number);
    publish(Pong{ping.number});
  }

 private:
  Seen& seen_;
};

struct Counter final : Actor {
  Counter(ActorContext& context, Seen& seen) : Actor(context) {
    group("counters").on([&seen](const Pong& pong) { seen.add(pong.number); });
  }
};

/// Whatever the test says.
struct Custom final : Actor {
  Custom(ActorContext& context, const std::function<void(Custom&)>& make) : Actor(context) { make(*this); }
  using Actor::after;
  using Actor::every;
  using Actor::group;
  using Actor::on_live;
  using Actor::publish;
};

struct QuietLog {
  QuietLog() { log::set_level("off"); }
};

/// A proxy with a spool, and services that find it.
struct Site : QuietLog {
  explicit Site(std::vector<std::string> arguments = {}) : proxy(with_spool(std::move(arguments), spool.path())) {}

  static std::vector<std::string> with_spool(std::vector<std::string> arguments, const std::string& path) {
    arguments.insert(arguments.end(), {"--spool", path, "--segment-size", "16MiB", "--disk-reserve", "16MiB"});
    return arguments;
  }
  Options options(std::string instance = "") const {
    Options options;
    options.proxy = proxy.endpoint();
    options.instance = std::move(instance);
    options.log_level = "off";
    options.drain = patience;
    return options;
  }

  TemporaryDirectory spool;
  ProxyProcess proxy;
};

void require_ready(Service& service) {
  auto ready = service.wait_until_ready(patience);
  if (!ready) FAIL(ready.error().message());
}

void start(Service& service) {
  REQUIRE(service.start());
  require_ready(service);
}

int stop(Service& service) {
  service.stop();
  return service.wait();
}

}  // namespace

TEST_CASE("a service that was started before its proxy becomes ready when that comes") {
  Site site;
  Seen seen;
  Service service("early", site.options());
  service.add<Ponger>(seen);
  auto receipt = service.publish(Ping{1});  // even before start
  REQUIRE(receipt);
  REQUIRE(service.start());
  CHECK(service.wait_until_ready(50ms).error().code == ErrorCode::timeout);
  CHECK_FALSE(receipt->ready());
  site.proxy.start();
  require_ready(service);
  CHECK(receipt->wait(patience).has_value());
  CHECK(seen.wait_for_count(1));
  CHECK(stop(service) == 0);
}

TEST_CASE("events go from group to group") {
  Site site;
  site.proxy.start();
  Seen pinged;
  Seen ponged;
  Service ponger("ponger", site.options());
  Service counter("counter", site.options());
  Service publisher("publisher", site.options());
  ponger.add<Ponger>(pinged);
  counter.add<Counter>(ponged);
  for (Service* service : {&ponger, &counter, &publisher}) start(*service);
  std::vector<int> sent;
  for (int i = 0; i < 1'000; ++i) {
    sent.push_back(i);
    REQUIRE(publisher.publish(Ping{i}));
  }
  REQUIRE(ponged.wait_for_count(sent.size()));
  CHECK(pinged.numbers() == sent);
  CHECK(ponged.numbers() == sent);
  for (Service* service : {&ponger, &counter, &publisher}) CHECK(stop(*service) == 0);
}

TEST_CASE("a handler that throws gets its event again as attempt 2") {
  Site site;
  site.proxy.start();
  Seen attempts;
  Service service("thrower", site.options());
  service.add<Custom>([&](Custom& self) {
    self.group("throwers", {.backoff_min = 10ms}).on([&](const Ping&, const Meta& meta) {
      attempts.add(static_cast<int>(meta.attempt()));
      if (meta.attempt() < 3) throw std::runtime_error("not yet");
    });
  });
  start(service);
  REQUIRE(service.publish(Ping{}));
  REQUIRE(attempts.wait_for_count(3));
  CHECK(attempts.numbers() == std::vector{1, 2, 3});
  CHECK(stop(service) == 0);
}

TEST_CASE("an event that does not decode becomes a dead letter that a group can read") {
  Site site;
  site.proxy.start();
  Seen dead;
  std::string reason;
  Service service("undertaker", site.options());
  service.add<Custom>([&](Custom& self) {
    self.group("strict").on([](const Ping&) {});
    self.group("undertaker").on_raw("_spindle.dead.strict", [&](const RawEvent&, const Meta& meta) {
      reason = meta.attribute("deadreason").value_or("");
      dead.add(1);
    });
  });
  start(service);
  REQUIRE(service.publish_as(Ping::topic, Text{"seven"}));
  REQUIRE(dead.wait_for_count(1));
  CHECK(reason.find("field number is missing") != std::string::npos);
  CHECK(stop(service) == 0);
}

TEST_CASE("a dead letter that is replayed reaches its handler as the event it was, under the same id") {
  Site site;
  site.proxy.start();
  std::vector<std::string> handled;  // what Meta said each time
  Seen calls;
  Seen dead;
  Seen others;
  Service service("undertaker", site.options());
  service.add<Custom>([&](Custom& self) {
    self.group("fussy", {.max_attempts = 1}).on([&](const Ping& ping, const Meta& meta) {
      handled.push_back(meta.id() + " " + std::string(meta.topic()) + " " + std::string(meta.source()));
      calls.add(ping.number);
      if (calls.numbers().size() == 1) throw std::runtime_error("not today");
    });
    self.group("others").on([&](const Ping& ping) { others.add(ping.number); });
    self.group("dead").on_raw("_spindle.dead.fussy", [&](const RawEvent&, const Meta&) { dead.add(1); });
  });
  start(service);
  REQUIRE(service.publish(Ping{7}));
  REQUIRE(dead.wait_for_count(1));
  const std::string replay = SPINDLE_PROGRAM " dead replay fussy --all --yes --proxy " + site.proxy.endpoint();
  REQUIRE(std::system((replay + " > /dev/null").c_str()) == 0);
  REQUIRE(calls.wait_for_count(2));
  CHECK(stop(service) == 0);
  CHECK(calls.numbers() == std::vector{7, 7});
  REQUIRE(handled.size() == 2);
  CHECK(handled[0] == handled[1]);
  CHECK(others.numbers() == std::vector{7});
}

TEST_CASE("live events reach on_live handlers, in packets or one by one") {
  Site site;
  site.proxy.start();
  Seen seen;
  Service subscriber("subscriber", site.options());
  Service publisher("publisher", site.options());
  subscriber.add<Custom>([&](Custom& self) { self.on_live([&](const Blink& blink) { seen.add(blink.number); }); });
  start(subscriber);
  start(publisher);
  std::vector<int> sent;
  std::vector<Receipt> receipts;
  for (int i = 0; i < 500; ++i) {
    sent.push_back(i);
    receipts.push_back(publisher.publish(Blink{i}).value());
  }
  REQUIRE(seen.wait_for_count(sent.size()));
  CHECK(seen.numbers() == sent);
  for (const Receipt& receipt : receipts) CHECK(receipt.wait(patience).has_value());
  CHECK(stop(publisher) == 0);
  CHECK(stop(subscriber) == 0);
}

TEST_CASE("what a turn publishes live goes out after its commit, and timers publish too") {
  Site site;
  site.proxy.start();
  Seen seen;
  Service service("both", site.options());
  service.add<Custom>([&](Custom& self) {
    self.group("lamps").on([&](const Ping& ping) { self.publish(Blink{ping.number}); });
    self.on_live([&](const Blink& blink) { seen.add(blink.number); });
    self.after(1ms, [&] { self.publish(Ping{41}); });
    self.after(2ms, [&] { self.publish(Blink{42}); });
  });
  start(service);
  REQUIRE(seen.wait_for_count(2));
  const auto numbers = seen.numbers();
  CHECK(std::set<int>(numbers.begin(), numbers.end()) == std::set{41, 42});
  CHECK(stop(service) == 0);
}

TEST_CASE("several threads publish and each receipt has its event's offset") {
  Site site;
  site.proxy.start();
  Service service("threads", site.options());
  start(service);
  constexpr int threads = 4;
  constexpr int each = 1'000;
  std::vector<std::vector<std::uint64_t>> offsets(threads);
  std::vector<std::thread> publishers;
  for (std::size_t t = 0; t < threads; ++t) {
    publishers.emplace_back([&, t] {
      std::vector<Receipt> receipts;
      for (int i = 0; i < each; ++i) {
        // Topics in turn: each begins another packet.
        auto receipt = i % 2 == 0 ? service.publish(Ping{i}) : service.publish(Pong{i});
        receipts.push_back(receipt.value());
      }
      for (const Receipt& receipt : receipts) offsets[t].push_back(receipt.wait(patience).value_or(1 << 30));
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  std::set<std::uint64_t> all;
  for (const auto& own : offsets) {
    CHECK(std::is_sorted(own.begin(), own.end()));
    all.insert(own.begin(), own.end());
  }
  REQUIRE(all.size() == threads * each);
  CHECK(*all.begin() == 0);
  CHECK(*all.rbegin() == threads * each - 1);
  CHECK(stop(service) == 0);
  CHECK(service.publish(Ping{}).error().code == ErrorCode::closed);
}

TEST_CASE("when the proxy is killed again and again the application sees nothing of it") {
  Site site;
  site.proxy.start();
  Seen pinged;
  Seen ponged;
  Service ponger("ponger", site.options());
  Service counter("counter", site.options());
  Service publisher("publisher", site.options());
  ponger.add<Ponger>(pinged);
  counter.add<Counter>(ponged);
  for (Service* service : {&ponger, &counter, &publisher}) start(*service);
  constexpr int rounds = 4;
  constexpr int each = 500;
  std::vector<Receipt> receipts;
  std::vector<int> sent;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < each; ++i) {
      sent.push_back(round * each + i);
      receipts.push_back(publisher.publish(Ping{sent.back()}).value());
    }
    if (round == rounds - 1) break;
    // Somewhere in the middle of the work.
    REQUIRE(receipts[receipts.size() - each / 2].wait(patience).has_value());
    site.proxy.kill();
    site.proxy.start();
  }
  std::uint64_t last = 0;
  for (const Receipt& receipt : receipts) {
    auto offset = receipt.wait(patience);
    REQUIRE(offset);
    if (*offset == 0) continue;  // only known to be durable
    CHECK(*offset > last);
    last = *offset;
  }
  REQUIRE(ponged.wait_for_count(sent.size()));
  CHECK(stop(publisher) == 0);
  CHECK(stop(ponger) == 0);
  CHECK(stop(counter) == 0);
  // Each turn exists once, and so does its pong; the order is the publisher's.
  CHECK(ponged.numbers() == sent);
}

TEST_CASE("the younger of two processes of one instance fences the older, which ends with code 1") {
  Site site;
  site.proxy.start();
  Seen seen;
  Service older("twin", site.options("same"));
  Service younger("twin", site.options("same"));
  younger.add<Ponger>(seen);
  int code = -1;
  std::thread run([&] { code = older.run(); });
  require_ready(older);
  start(younger);
  run.join();
  CHECK(code == 1);
  CHECK(older.wait_until_ready(0s).error().code == ErrorCode::fenced);
  REQUIRE(younger.publish(Ping{1}));
  CHECK(seen.wait_for_count(1));
  CHECK(stop(younger) == 0);
}

TEST_CASE("a fenced process handles nothing more of what it was delivered") {
  Site site;
  site.proxy.start();
  Seen by_older;
  Seen by_younger;
  std::mutex at_work;
  Service older("twin", site.options("same"));
  std::unique_lock hold(at_work);
  older.add<Custom>([&](Custom& self) {
    self.group("pongers", {.backoff_min = 10ms}).on([&](const Ping& ping) {
      by_older.add(ping.number);
      std::lock_guard finish(at_work);
    });
  });
  start(older);
  constexpr std::size_t pings = 20;
  Service publisher("publisher", site.options());
  start(publisher);
  for (std::size_t i = 0; i < pings; ++i) REQUIRE(publisher.publish(Ping{static_cast<int>(i)}));
  REQUIRE(by_older.wait_for_count(1));
  Service younger("twin", site.options("same"));
  younger.add<Ponger>(by_younger);
  start(younger);
  REQUIRE(by_younger.wait_for_count(pings));
  hold.unlock();
  CHECK(older.wait() == 1);
  CHECK(by_older.numbers() == std::vector<int>{0});
  CHECK(stop(younger) == 0);
  CHECK(stop(publisher) == 0);
}

TEST_CASE("SIGTERM ends run() with 0 after everything is durable") {
  Site site;
  site.proxy.start();
  Seen pinged;
  Seen ponged;
  Service service("term", site.options());
  service.add<Ponger>(pinged);
  Service counter("counter", site.options());
  counter.add<Counter>(ponged);
  start(counter);
  std::vector<Receipt> receipts;
  int code = -1;
  std::thread run([&] { code = service.run(); });
  require_ready(service);
  for (int i = 0; i < 2'000; ++i) receipts.push_back(service.publish(Ping{i}).value());
  REQUIRE(pinged.wait_for_count(10));
  ::kill(::getpid(), SIGTERM);
  run.join();
  CHECK(code == 0);
  for (const Receipt& receipt : receipts) CHECK(receipt.wait(0s).has_value());
  // What was handled was settled, and nothing else: another process goes on exactly there.
  const std::size_t handled = pinged.numbers().size();
  CHECK(handled >= 10);
  Service next("term", site.options());
  next.add<Ponger>(pinged);
  start(next);
  REQUIRE(ponged.wait_for_count(2'000));
  CHECK(pinged.numbers().size() == 2'000);
  CHECK(ponged.numbers() == pinged.numbers());
  CHECK(stop(next) == 0);
  CHECK(stop(counter) == 0);
}

TEST_CASE("stopping is quick while events keep coming, and loses none") {
  Site site;
  site.proxy.start();
  Seen first;
  Seen second;
  Service publisher("publisher", site.options());
  start(publisher);
  constexpr int count = 50'000;
  std::optional<Receipt> last;
  for (int i = 0; i < count; ++i) last = publisher.publish(Ping{i}).value();
  REQUIRE(last->wait(patience).has_value());
  auto taker = [](Seen& seen) {
    return [&seen](Custom& self) { self.group("takers").on([&seen](const Ping& ping) { seen.add(ping.number); }); };
  };
  {
    Service service("taker", site.options());
    service.add<Custom>(taker(first));
    start(service);
    REQUIRE(first.wait_for_count(100));
    CHECK(stop(service) == 0);
  }
  const int handled = static_cast<int>(first.numbers().size());
  CHECK(handled < count);
  Service service("taker", site.options());
  service.add<Custom>(taker(second));
  start(service);
  REQUIRE(second.wait_for_count(static_cast<std::size_t>(count - handled)));
  // Between them they saw every event: what the first gave back comes to the second, sooner or later in the order,
  // since the proxy may hear of the second before it hears the first one's goodbye.
  std::vector<int> all = first.numbers();
  for (int number : second.numbers()) all.push_back(number);
  std::sort(all.begin(), all.end());
  CHECK(std::unique(all.begin(), all.end()) - all.begin() == count);
  CHECK(stop(service) == 0);
  CHECK(stop(publisher) == 0);
}

TEST_CASE("a handler that blocks for longer than the lease keeps its membership") {
  Site site({"--lease", "1"});
  site.proxy.start();
  Seen begun;
  Seen done;
  Seen elsewhere;
  std::mutex mutex;
  std::condition_variable wake;
  Service service("blocked", site.options());
  service.add<Custom>([&](Custom& self) {
    self.group("blockers").on([&](const Ping& ping, const Meta& meta) {
      begun.add(static_cast<int>(meta.attempt()));
      if (ping.number == 0) {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, 3s);  // nobody does: three leases pass
      }
      done.add(ping.number);
    });
  });
  start(service);
  Service publisher("publisher", site.options());
  start(publisher);
  REQUIRE(publisher.publish(Ping{0}));
  REQUIRE(begun.wait_for_count(1));
  // Whoever joins now would get the event if the first one's lease ended.
  Service other("other", site.options());
  other.add<Custom>(
      [&](Custom& self) { self.group("blockers").on([&](const Ping& ping) { elsewhere.add(ping.number); }); });
  start(other);
  REQUIRE(done.wait_for_count(1));
  CHECK(elsewhere.numbers().empty());
  CHECK(stop(other) == 0);
  REQUIRE(publisher.publish(Ping{1}));
  REQUIRE(done.wait_for_count(2));
  CHECK(done.numbers() == std::vector{0, 1});
  CHECK(begun.numbers() == std::vector{1, 1});
  CHECK(stop(service) == 0);
  CHECK(stop(publisher) == 0);
}

TEST_CASE("a proxy without a spool refuses groups, and the service says so and ends with code 1") {
  const QuietLog quiet;
  ProxyProcess proxy({});
  proxy.start();
  Options options;
  options.proxy = proxy.endpoint();
  options.log_level = "off";
  Seen seen;
  Service service("durable", options);
  service.add<Ponger>(seen);
  CHECK(service.run() == 1);
  const auto ended = service.wait_until_ready(0s);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == ErrorCode::no_spool);
  CHECK(ended.error().text.find("group pongers: ") == 0);

  Service live("live", options);
  start(live);
  auto receipt = live.publish(Ping{});
  REQUIRE(receipt);
  CHECK(receipt->wait(patience).error().code == ErrorCode::no_spool);
  CHECK(stop(live) == 0);
}

TEST_CASE("a group with other options ends the service with code 1") {
  Site site;
  site.proxy.start();
  auto member = [](std::uint64_t attempts) {
    return [attempts](Custom& self) { self.group("g", {.max_attempts = attempts}).on([](const Ping&) {}); };
  };
  Service first("first", site.options());
  first.add<Custom>(member(3));
  start(first);
  Service second("second", site.options());
  second.add<Custom>(member(4));
  CHECK(second.run() == 1);
  const Error why = second.wait_until_ready(0s).error();
  CHECK(why.code == ErrorCode::group_mismatch);
  CHECK(why.text.starts_with("group g: max_attempts is 3, not 4; "));
  CHECK(stop(first) == 0);
}

TEST_CASE("a service that says so alters the group it joins") {
  Site site;
  site.proxy.start();
  auto member = [](std::uint64_t attempts, bool alter) {
    return [=](Custom& self) { self.group("g", {.max_attempts = attempts, .alter = alter}).on([](const Ping&) {}); };
  };
  Service first("first", site.options());
  first.add<Custom>(member(3, false));
  start(first);
  Service second("second", site.options());
  second.add<Custom>(member(4, true));
  start(second);
  Service third("third", site.options());
  third.add<Custom>(member(4, false));
  start(third);
  for (Service* service : {&first, &second, &third}) CHECK(stop(*service) == 0);
}

TEST_CASE("a service whose group is deleted ends with that reason and code 1") {
  Site site;
  site.proxy.start();
  Seen seen;
  Service service("ponger", site.options());
  service.add<Ponger>(seen);
  start(service);
  transport::Context context;
  auto link = transport::Link::open(context, site.proxy.endpoint(), {});
  REQUIRE(link);
  link->session().admin("group.delete", "pongers");
  transport::PollSet poll;
  bool answered = false;
  for (const Instant until = monotonic_now() + patience; !answered && monotonic_now() < until;) {
    poll.clear();
    link->watch(poll);
    REQUIRE(poll.wait(100ms));
    link->process(Now::read());
    for (const auto& event : link->session().take_events()) {
      const auto* reply = std::get_if<transport::session_event::AdminAnswered>(&event);
      if (reply != nullptr) answered = reply->body.has_value();
    }
    link->flush();
  }
  REQUIRE(answered);
  CHECK(service.wait() == 1);
  const auto ended = service.wait_until_ready(0s);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == ErrorCode::group_deleted);
  CHECK(ended.error().text == "group pongers was deleted (by an operator)");
}

TEST_CASE("when one worker fails the whole service ends, whichever it is") {
  Site site;
  site.proxy.start();
  auto member = [](std::uint64_t attempts) {
    return [attempts](Custom& self) { self.group("g", {.max_attempts = attempts}).on([](const Ping&) {}); };
  };
  Service service("two", site.options());
  service.add<Custom>(member(3));
  service.add_worker().add<Custom>(member(4));
  REQUIRE(service.start());
  CHECK(service.wait() == 1);
}

TEST_CASE("a service of which one worker cannot start does not start, and ends") {
  const QuietLog quiet;
  Site site;
  site.proxy.start();
  Service service("half", site.options());
  service.add<Custom>([](Custom& self) { self.group("g").on([](const Ping&) {}); });
  service.add_worker().add<Custom>([](Custom& self) { self.group("empty"); });
  CHECK_FALSE(service.start());
  CHECK(service.wait() == 0);
}

TEST_CASE("workers share a group, and a blocked one does not stop the other") {
  Site site;
  site.proxy.start();
  Seen seen;
  std::mutex mutex;
  std::condition_variable wake;
  bool open = false;
  auto take = [&](Custom& self) {
    self.group("pair", {.credit_events = 1}).on([&](const Ping& ping) {
      if (ping.number == 0) {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, patience, [&] { return open; });
      }
      seen.add(ping.number);
    });
  };
  Service service("pair", site.options());
  service.add<Custom>(take);
  service.add_worker().add<Custom>(take);
  start(service);
  for (int i = 0; i < 20; ++i) REQUIRE(service.publish(Ping{i}));
  CHECK(seen.wait_for_count(19));
  {
    std::lock_guard lock(mutex);
    open = true;
  }
  wake.notify_all();
  REQUIRE(seen.wait_for_count(20));
  CHECK(seen.numbers().back() == 0);
  CHECK(stop(service) == 0);
}

TEST_CASE("a service runs once, and its name is checked") {
  const QuietLog quiet;
  CHECK_THROWS_AS(Service("no name"), std::logic_error);
  Options options;
  options.proxy = "tcp://127.0.0.1:1";
  options.log_level = "off";
  Service service("once", options);
  REQUIRE(service.start());
  CHECK_FALSE(service.start());
  CHECK(stop(service) == 0);
  CHECK_FALSE(service.start());
  CHECK_THROWS_AS(service.add_worker(), std::logic_error);
  CHECK_THROWS_AS(Service("once", Options{.instance = "a b"}), std::logic_error);

  options.proxy = "localhost:5555";
  Service wrong("wrong", options);
  CHECK(wrong.run() == 1);
}
