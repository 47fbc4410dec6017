// How long a proxy takes to serve again on a large spool that is not in memory.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "spindle/base/files.hpp"
#include "spindle/spindle.hpp"
#include "spindle/spool/recovery.hpp"
#include "spindle/spool/writer.hpp"
#include "spindle/wire/packet.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/idle_groups.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/report.hpp"
#include "tools/bench/scratch.hpp"

namespace spindle::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t events_per_packet = 10;
constexpr std::size_t batch_bytes = 4u << 20;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Runs a proxy until all groups exist.
bool make_groups(const std::string& spool) {
  Child child = Child::fork([&] {
    Child proxy = Child::run(proxy_on(spool));
    if (!join_and_leave<Elsewhere>(options_for(endpoint_of(proxy)))) return 1;
    proxy.signal(SIGTERM);
    return proxy.wait();
  });
  return child.wait() == 0;
}

/// Begins a segment with the whole state and nothing behind it.
bool start_and_stop(const std::string& spool) {
  Child child = Child::fork([&] {
    Child proxy = Child::run(proxy_on(spool));
    endpoint_of(proxy);
    proxy.signal(SIGTERM);
    return proxy.wait();
  });
  return child.wait() == 0;
}

/// What the proxy has in memory, as its log says: the newest state, and how many records came since.
struct Replayed {
  Bytes state;
  int records_since = 0;
};

Bytes packet() {
  wire::PacketBuilder builder;
  const Bytes data = "\x81\xa1p\xd9\x5f" + std::string(95, 'x');
  for (std::uint32_t i = 0; i < events_per_packet; ++i) builder.add(data);
  wire::PacketHeader header;
  header.source = "_spindle/bench";
  header.epoch = 1;
  header.event_class = wire::EventClass::durable;
  header.time_ns = wall_now_ns();
  return builder.finish(header);
}

/// Goes on in the proxy's spool with events in commits of one packet each, until it has that many bytes and the
/// newest segment is nearly full: that is what recovery reads.
bool fill(const std::string& spool, std::uint64_t bytes) {
  Replayed replayed;
  auto replay = [&](const spool::Record& record) -> Result<void> {
    if (record.kind == spool::Kind::state) {
      replayed.state = Bytes(record.body);
    } else {
      ++replayed.records_since;
    }
    return {};
  };
  auto log = spool::recover(posix_files(), spool, "0123456789abcdef", replay);
  if (!log || replayed.records_since > 0) return false;
  spool::Writer writer(posix_files(), spool);
  const Bytes body = packet();
  const std::uint64_t record = spool::record_bytes(DurableTick::topic.size(), body.size());
  spool::Appender& appender = log->appender;
  std::uint64_t written = 0;
  while (written < bytes || appender.segment_bytes_left() > 2 * batch_bytes) {
    if (!appender.fits(record)) appender.roll(replayed.state, wall_now_ns());
    appender.begin(wall_now_ns());
    appender.append(spool::Kind::events, DurableTick::topic, body, events_per_packet);
    appender.finish();
    written += record;
    if (appender.batch_bytes() < batch_bytes) continue;
    if (!writer.write(*appender.take_batch())) return false;
  }
  auto rest = appender.take_batch();
  return !rest || writer.write(*rest).has_value();
}

/// From the page cache, as far as this user may; says how.
const char* drop_caches(const std::string& spool) {
  for (const auto& entry : fs::directory_iterator(spool)) {
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    ::fsync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }
  ::sync();
  std::ofstream all("/proc/sys/vm/drop_caches");
  all << "3" << std::flush;
  return all.good() ? "posix_fadvise and /proc/sys/vm/drop_caches" : "posix_fadvise (the spool's files only)";
}

struct Times {
  double ready_ms = 0;
  double acknowledged_ms = 0;
};

/// From the moment the proxy is executed.
Times start_once(const std::string& spool) {
  Child child = Child::fork([&] {
    const auto begin = Clock::now();
    Child proxy = Child::run(proxy_on(spool));
    const std::string endpoint = endpoint_of(proxy);
    std::printf("%.1f\n", ms_since(begin));
    Service service("first", options_for(endpoint));
    if (!service.start() || !service.wait_until_ready(std::chrono::seconds(60))) return 1;
    auto receipt = service.publish(DurableTick{});
    if (!receipt || !receipt->wait(std::chrono::seconds(60))) return 1;
    std::printf("%.1f\n", ms_since(begin));
    service.stop();
    const int code = service.wait();
    proxy.signal(SIGKILL);  // as after a crash
    proxy.wait();
    return code;
  });
  Times times;
  times.ready_ms = std::stod("0" + child.line());
  times.acknowledged_ms = std::stod("0" + child.line());
  return times;
}

std::string newest_segment(const std::string& spool) {
  std::string newest;
  for (const auto& entry : fs::directory_iterator(spool)) newest = std::max(newest, entry.path().filename().string());
  return newest;
}

/// The newest segment with a lot in it is what costs: those that a start adds must not replace it.
void remove_after(const std::string& spool, const std::string& keep) {
  for (const auto& entry : fs::directory_iterator(spool)) {
    if (entry.path().filename().string() > keep) fs::remove(entry.path());
  }
}

}  // namespace

void bench_recovery(int rounds, std::uint64_t bytes) {
  const Scratch scratch;
  const std::string spool = scratch.spool();
  if (!make_groups(spool) || !start_and_stop(spool)) return;
  std::printf("making a spool of %.1f GB with %d groups...\n", static_cast<double>(bytes) * 1e-9, idle_groups);
  std::fflush(stdout);
  Child filler = Child::fork([&] { return fill(spool, bytes) ? 0 : 1; });
  if (filler.wait() != 0) {
    std::printf("  failed\n");
    return;
  }
  Series ready{"exec to ready, page cache dropped", "ms", {}};
  Series acknowledged{"exec to the first acknowledged publish", "ms", {}};
  const char* how = "";
  for (int round = 0; round < rounds; ++round) {
    const std::string newest = newest_segment(spool);
    const std::string copy = spool + "/../newest";
    fs::copy_file(spool + "/" + newest, copy, fs::copy_options::overwrite_existing);
    how = drop_caches(spool);
    const Times times = start_once(spool);
    ready.rounds.push_back(times.ready_ms);
    acknowledged.rounds.push_back(times.acknowledged_ms);
    remove_after(spool, newest);
    fs::rename(copy, spool + "/" + newest);
  }
  print(ready);
  print(acknowledged);
  std::printf("  dropped by %s\n", how);
}

}  // namespace spindle::bench
