#pragma once

#include <memory>
#include <optional>
#include <string>

#include "chance.hpp"
#include "network.hpp"
#include "oracle.hpp"
#include "proxy/broker.hpp"
#include "scenario.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/spool/writer.hpp"

namespace spindle::simulation {

/// The proxy's process without sockets, threads and clock: the real broker and the real spool, on a disk that can
/// fail. Its loop is taken apart, so that whoever drives it chooses what happens between any two parts of it. The
/// oracle hears of all that goes in and out.
class SimulatedProxy {
 public:
  SimulatedProxy(const Scenario& scenario, Chance& chance, Network& network, Oracle& oracle);

  bool is_up() const { return broker_ != nullptr; }
  /// Recovers and serves; not up afterwards when the disk fails, or the power goes on the way.
  void start(Now now);
  /// SIGKILL: what was written stays.
  void kill();
  void cut_power();
  /// SIGTERM.
  void stop(Now now);
  /// While it is down: a bit flips in the state at the head of the newest segment. Once in a run.
  void damage_state();
  /// Copies the spool as it is now; a later start_from_copy() goes on from there, and what came since is lost.
  void back_up();
  bool has_copy() const { return !copy_.empty(); }
  void start_from_copy(Now now);

  // the parts of the loop
  bool receive(Now now);
  void tick(Now now);
  /// Gives what was decided to the committer, if that is idle.
  void commit(Now now);
  /// The committer's part: it takes its time, and then the broker learns that the batch is durable.
  void write(Now now);
  bool read(Now now);
  void send(Now now);
  /// All of it, until nothing is left to do.
  void run(Now now);

  /// From now on the disk has this much free, and the broker hears of it when it looks next.
  void set_free_bytes(std::uint64_t bytes);
  /// The power goes, or an operation fails, at one of the next things that the disk does.
  void cut_power_soon();
  void fail_soon();
  void end_misfortunes();

 private:
  void die();
  void fail(const Error& why, Now now);
  void recover(Now now);

  const Scenario& scenario_;
  Chance& chance_;
  Network& network_;
  Oracle& oracle_;
  MemoryFiles files_;
  std::string directory_ = "spool";
  std::string copy_;
  std::uint64_t copies_tried_ = 0;
  bool power_goes_ = false;
  bool damaged_ = false;
  bool calm_ = false;

  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<spool::Writer> writer_;
  std::unique_ptr<spool::Reader> reader_;
  std::unique_ptr<proxy::Broker> broker_;
  struct Writing {
    proxy::Broker::Decided batch;
    std::uint64_t steps_left;
    bool written = false;
  };
  std::optional<Writing> writing_;
  Instant space_due_{};
};

}  // namespace spindle::simulation
