// A group that wants one rare topic of a long backlog.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "spindle/base/files.hpp"
#include "spindle/spindle.hpp"
#include "spindle/spool/recovery.hpp"
#include "spindle/spool/sealed_index.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/report.hpp"
#include "tools/bench/scratch.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t mixed_topics = 20;
constexpr std::uint64_t rare_is_one_in = 10'000;
constexpr auto patience = std::chrono::minutes(5);

/// 100 bytes, as the others.
struct RareTick {
  static constexpr std::string_view topic = "bench.rare";
  static constexpr bool durable = true;
  std::string p = std::string(95, 'x');
  MSGPACK_DEFINE_MAP(p)
};

/// Runs `body` with the endpoint of a proxy on the spool, in a process of its own, and ends the proxy.
template <class Body>
Child beside_proxy(const std::string& spool, Body body) {
  return Child::fork([=] {
    Child proxy = Child::run(proxy_on(spool));
    const int code = body(endpoint_of(proxy));
    proxy.signal(SIGTERM);
    return code != 0 ? code : proxy.wait();
  });
}

/// Waits for room when the queue is full.
template <class E>
Receipt publish(Service& service, std::string_view topic, const E& event) {
  while (true) {
    if (auto receipt = service.publish_as(topic, event)) return *receipt;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

/// One event after the other on changing topics.
int produce(const std::string& endpoint, std::uint64_t events) {
  Service service("producer", options_for(endpoint));
  if (!service.start() || !service.wait_until_ready(std::chrono::seconds(30))) return 1;
  const DurableTick tick;
  std::optional<Receipt> last;
  for (std::uint64_t i = 0; i < events; ++i) {
    const bool rare = i % rare_is_one_in == rare_is_one_in / 2;
    last = rare ? publish(service, RareTick::topic, RareTick())
                : publish(service, "bench.mixed." + std::to_string(i % mixed_topics), tick);
  }
  return last && last->wait(patience) ? 0 : 1;
}

class Rare final : public Actor {
 public:
  Rare(ActorContext& context, const std::string& name, std::uint64_t events, std::atomic<bool>& done)
      : Actor(context), events_(events), done_(done) {
    group(name).on(&Rare::consume);
  }

 private:
  void consume(const RareTick&) {
    if (++count_ != events_) return;
    done_.store(true);
    done_.notify_all();
  }

  std::uint64_t events_;
  std::atomic<bool>& done_;
  std::uint64_t count_ = 0;
};

/// Milliseconds from the start of a service to the last event, printed.
int consume(const std::string& endpoint, const std::string& name, std::uint64_t events) {
  std::atomic<bool> done{false};
  Service service("consumer", options_for(endpoint));
  service.add<Rare>(name, events, done);
  const auto begin = Clock::now();
  if (!service.start()) return 1;
  done.wait(false);
  std::printf("%.1f\n", std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  std::fflush(stdout);
  service.stop();
  return service.wait();
}

/// Takes the topic indexes of a spool away, and puts them back.
class WithoutIndexes {
 public:
  explicit WithoutIndexes(const std::string& spool) {
    auto segments = spool::list_segments(posix_files(), spool);
    if (!segments) return;
    for (const spool::Segment& segment : *segments) {
      if (segment.header.serial == segments->back().header.serial) continue;
      const std::string path = spool + "/" + segment.name();
      const std::uint64_t at = segment.end + spool::seal_bytes;
      auto file = posix_files().open(path, OpenMode::write);
      if (!file) continue;
      const std::uint64_t size = (*file)->size().value_or(0);
      if (size <= at) continue;
      Bytes bytes(static_cast<std::size_t>(size - at), '\0');
      if (!(*file)->read(at, bytes.data(), bytes.size()) || !(*file)->truncate(at)) continue;
      taken_.push_back({path, at, std::move(bytes)});
    }
  }
  ~WithoutIndexes() {
    for (const Taken& one : taken_) {
      auto file = posix_files().open(one.path, OpenMode::write);
      if (!file || !(*file)->write(one.at, one.bytes)) std::printf("  could not put an index back\n");
    }
  }
  WithoutIndexes(const WithoutIndexes&) = delete;
  WithoutIndexes& operator=(const WithoutIndexes&) = delete;

  std::size_t bytes() const {
    std::size_t bytes = 0;
    for (const Taken& one : taken_) bytes += one.bytes.size();
    return bytes;
  }

 private:
  struct Taken {
    std::string path;
    std::uint64_t at;
    Bytes bytes;
  };
  std::vector<Taken> taken_;
};

double time_group(const std::string& spool, const std::string& name, std::uint64_t events) {
  Child child = beside_proxy(spool, [=](const std::string& endpoint) { return consume(endpoint, name, events); });
  const double ms = std::stod("0" + child.line());
  child.wait();
  return ms;
}

}  // namespace

void bench_narrow(int rounds, std::uint64_t events) {
  const Scratch scratch;
  const std::string spool = scratch.spool();
  const std::uint64_t rare = events / rare_is_one_in;
  std::printf("publishing %llu events on %llu topics, %llu of them on a rare one in between...\n",
              static_cast<unsigned long long>(events), static_cast<unsigned long long>(mixed_topics + 1),
              static_cast<unsigned long long>(rare));
  std::fflush(stdout);
  Child filling = beside_proxy(spool, [=](const std::string& endpoint) { return produce(endpoint, events); });
  if (filling.wait() != 0) {
    std::printf("  failed\n");
    return;
  }
  Series with{"new group on a rare topic, attach to last event", "ms", {}};
  Series without{"the same without topic indexes", "ms", {}};
  std::size_t index_bytes = 0;
  for (int round = 0; round < rounds; ++round) {
    with.rounds.push_back(time_group(spool, "narrow-" + std::to_string(round), rare));
    const WithoutIndexes taken(spool);
    index_bytes = taken.bytes();
    without.rounds.push_back(time_group(spool, "without-" + std::to_string(round), rare));
  }
  print(with);
  print(without);
  print_ratio(without, with);
  std::printf("  the indexes take %.1f MB\n", static_cast<double>(index_bytes) * 1e-6);
}

}  // namespace spindle::bench
