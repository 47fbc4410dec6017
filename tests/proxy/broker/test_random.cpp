#include <cstdlib>
#include <iostream>

#include "simulated_client.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

namespace {

/// Clients, a proxy and their misfortunes, all by one seed.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), driver_(setup(seed)) {
    // A group that never consumes, so that nothing goes when the disk is full and all can be counted at the end.
    TestClient keeper(driver_, "keeper/1");
    keeper.hello();
    keeper.attach("keeper", {">"});
    keeper.send(wire::Detach{1});
    driver_.by_hand = true;
    for (int i = 0; i < 4; ++i) clients_.push_back(make(i));
  }

  void step() {
    SimulatedClient& client = *clients_[random_() % clients_.size()];
    switch (random_() % 40) {
      case 0: return client.reconnect();
      case 1: return client.lose_connection();
      case 2: return random_() % 4 == 0 ? crash(client) : void();
      case 3: return random_() % 4 == 0 ? restart() : void();
      case 4: return driver_.broker().on_space(random_() % 3 ? 1ull << 40 : random_() % (256ull << 20));
      case 5: return pass(std::chrono::milliseconds(random_() % 4'000), true);
      case 6: return random_() % 4 == 0 ? pass(11s, false) : void();
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
      case 12: return void(driver_.commit());
      case 13: return void(driver_.commit(false));
      case 14:
      case 15:
      case 16:
      case 17:
      case 18: return void(driver_.read());
      case 19:
      case 20:
      case 21:
      case 22:
      case 23: return void(driver_.collect());
      case 24:
      case 25:
      case 26:
      case 27:
      case 28:
      case 29: return client.receive();
      default:
        client.receive();
        if (!client.connected()) return random_() % 4 == 0 ? client.reconnect() : void();
        return client.act();
    }
  }

  /// No more misfortunes: everything that was begun comes to its end.
  void finish() {
    driver_.by_hand = false;
    driver_.broker().on_space(1ull << 40);
    for (auto& client : clients_) client->reconnect();
    for (int round = 0; round < 300; ++round) {
      pass(500ms, true);
      bool idle = true;
      for (auto& client : clients_) {
        client->receive();
        client->resume();
        client->settle_all();
        client->receive();
        idle = idle && client->idle();
      }
      if (idle && round > 140) return check();  // beyond every lease and backoff
    }
    for (auto& client : clients_) UNSCOPED_INFO(client->describe());
    FAIL("it does not come to rest");
  }

 private:
  static BrokerDriver::Setup setup(std::uint64_t seed) {
    BrokerDriver::Setup setup;
    setup.config.seed = seed;
    setup.segment_bytes = seed % 2 == 0 ? spool::segment_bytes_min : 64 * 1024;
    setup.tail_cache_bytes = seed % 3 == 0 ? 0 : spool::tail_cache_bytes_default;
    return setup;
  }

  std::unique_ptr<SimulatedClient> make(int role) {
    const std::string source = "p" + std::to_string(role) + "/" + std::to_string(++processes_);
    return std::make_unique<SimulatedClient>(driver_, told_, random_, source, role != 1, role != 0);
  }

  void crash(SimulatedClient& client) {
    client.crash();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (clients_[i].get() == &client) clients_[i] = make(static_cast<int>(i));
    }
  }

  void restart() {
    random_() % 3 == 0 ? driver_.kill() : driver_.power_cut(random_());
    for (auto& client : clients_) client->lose_connection();
    driver_.start();
  }

  void pass(Duration by, bool renewed) {
    for (auto& client : clients_) {
      client->receive();
      renewed ? client->renew() : client->lose_connection();
    }
    driver_.advance(by);
  }

  /// What was told is what the log says.
  void check() {
    std::map<std::uint64_t, int> inputs;
    std::map<std::uint64_t, int> outputs;
    std::map<std::uint64_t, int> dead;
    std::map<std::string, std::uint64_t> last_number;
    std::map<std::string, std::map<std::uint64_t, std::vector<std::uint64_t>>> found;
    wire::Values values;
    for (const auto& stored : driver_.stored()) {
      const auto packet = wire::Packet::parse(stored.packet, values);
      const std::string source(packet->header().source);
      if (stored.topic == "_spindle.dead.acks") continue;
      const auto events = numbers_in(stored.packet);
      std::uint64_t offset = stored.offset;
      for (std::uint64_t event : events) {
        auto seen = told_.event_at.find(offset++);
        if (seen != told_.event_at.end()) REQUIRE(seen->second == event);
        ++(stored.topic == "out" ? outputs : stored.topic == "_spindle.dead.turns" ? dead : inputs)[event];
      }
      if (source.starts_with('_')) continue;
      // In the order published. A packet of turns has the number of the first, so it is found by its events below.
      REQUIRE(packet->header().sequence >= last_number[source]);
      last_number[source] = packet->header().sequence;
      auto& commit = found[source][packet->header().sequence];
      commit.insert(commit.end(), events.begin(), events.end());
    }
    for (const auto& [event, count] : inputs) {
      CAPTURE(event, outputs[event], dead[event]);
      REQUIRE(count == 1);
      REQUIRE(outputs[event] + dead[event] == 1);
    }
    for (const auto& [event, count] : outputs) REQUIRE((count == 0 || inputs[event] == 1));
    for (const auto& [source, commits] : told_.commits) {
      for (const auto& [number, commit] : commits) {
        if (!commit.status || commit.events.empty()) continue;
        CAPTURE(source, number);
        const bool is_turn = commit.events[0] < told_.next_event && found[source][number] != commit.events;
        if (*commit.status == wire::OutcomeStatus::stored && is_turn) {
          REQUIRE(outputs[commit.events[0]] == 1);
          continue;
        }
        if (*commit.status == wire::OutcomeStatus::stored) {
          REQUIRE(found[source][number] == commit.events);
        } else if (*commit.status == wire::OutcomeStatus::refused && commit.events.size() > 1) {
          REQUIRE(found[source][number].empty());
        }
      }
    }
  }

  std::mt19937_64 random_;
  BrokerDriver driver_;
  Told told_;
  std::vector<std::unique_ptr<SimulatedClient>> clients_;
  int processes_ = 0;
};

void run(std::uint64_t seed, int steps) {
  CAPTURE(seed);
  World world(seed);
  for (int step = 0; step < steps; ++step) {
    CAPTURE(step);
    world.step();
  }
  world.finish();
}

}  // namespace

// SPINDLE_SEED=n runs that one; SPINDLE_SEEDS=n runs n of them.
TEST_CASE("whatever happens, what was told is true and every event is settled once") {
  if (const char* seed = std::getenv("SPINDLE_SEED")) return run(std::stoull(seed), 400);
  const char* asked = std::getenv("SPINDLE_SEEDS");
  const std::uint64_t seeds = asked != nullptr ? std::stoull(asked) : 200;
  std::cout << "seeds 1 to " << seeds << ", 400 steps each\n";
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) run(seed, 400);
}
