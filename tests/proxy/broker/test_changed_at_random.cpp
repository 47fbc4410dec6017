// Operators change a group at random while its members work, leave and come back, and the proxy restarts.
#include <random>
#include <set>

#include "admin_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> topics{"a", "b", "c"};

class Workload {
 public:
  explicit Workload(std::uint64_t seed) : random_(seed), proxy_(setup()), producer_(proxy_, "shop/1") {
    for (int i = 0; i < 3; ++i) members_.emplace_back(proxy_, "m/" + std::to_string(i));
    producer_.hello();
    for (TestClient& member : members_) join(member);
  }

  void step() {
    do_something();
    for (TestClient& member : members_) take(member);
  }

  /// With a member for everything, and nobody in the way, all that is not settled is delivered and settled.
  void finish() {
    change("group.resume", {});
    for (TestClient& member : members_) leave(member);
    wants_all_ = true;
    join(members_[0]);
    for (int i = 0; i < 200; ++i) {
      pass();
      work(members_[0], true);
    }
    auto figures = AdminClient(proxy_).group("g");
    CHECK(figures["floor"] == figures["end"]);
    CHECK(figures["pending"] == "0");
    CHECK(figures["retrying"] == "0");
    CHECK(figures["lag"] == "0");
    CHECK(figures["unhandled"] == "[]");
  }

 private:
  void do_something() {
    TestClient& member = members_[below(members_.size())];
    switch (below(16)) {
      case 0: return change("group.pause", {});
      case 1: return change("group.resume", {});
      case 2:
        return change("group.seek", AdminClient::arguments("to", [&](wire::Writer& to) { to.uint(below(60)); }));
      case 3: return change("group.alter", AdminClient::dropping(topics[below(3)]));
      case 4: return replay();
      case 5: return restart();
      case 6: return leave(member);
      case 7: return join(member);
      case 8: return pass();
      case 9:
      case 10:
      case 11: return publish();
      default: return work(member);
    }
  }

  static BrokerDriver::Setup setup() {
    BrokerDriver::Setup setup;
    setup.segment_bytes = 32 << 10;
    return setup;
  }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  void change(const std::string& verb, const Bytes& arguments) {
    AdminClient admin(proxy_);
    admin.client.send(wire::Admin{verb, "g", arguments});
    REQUIRE((admin.client.take<wire::AdminReply>() || admin.client.take<wire::ErrorMessage>()));
    if (verb == "group.seek") settled_.clear();
  }

  void replay() {
    std::uint64_t end = std::stoull(AdminClient(proxy_).group("g")["end"]);
    change("dead_replay", AdminClient::arguments("letters", [&](wire::Writer& to) {
             to.array(1).array(2).uint(below(end + 1)).uint(20);
           }));
  }

  void restart() {
    AdminClient before(proxy_);
    Figures was = before.group("g");
    proxy_.restart();
    Figures is = AdminClient(proxy_).group("g");
    for (const char* key : {"paused", "options", "patterns", "generation", "letters", "dead", "lost"}) {
      CAPTURE(key);
      CHECK(is[key] == was[key]);
    }
    producer_.reconnect();
    producer_.hello();
    for (TestClient& member : members_) {
      member.reconnect();
      if (below(4) > 0) join(member);
    }
  }

  void leave(TestClient& member) {
    take(member);
    held_[member.source()].clear();
    if (member.session != 0) member.send(wire::Detach{1});
    member.look();
    member.inbox.clear();
  }

  /// Claims some of what it has.
  void join(TestClient& member) {
    take(member);
    if (member.session == 0) member.hello();
    std::vector<std::string> patterns;
    for (const std::string& topic : topics) {
      if (wants_all_ || below(3) > 0) patterns.push_back(topic);
    }
    if (patterns.empty()) patterns.push_back("a");
    auto attach = member.attach_message("g", patterns);
    attach.credit_events = wants_all_ ? 1'000 : 1 + below(6);
    attach.options.max_attempts = 3;
    for (const Delivered& one : held_[member.source()]) {
      if (below(2) == 0) attach.claims.push_back({one.id, 1, one.attempt});
    }
    const auto attached = member.attach(attach);
    std::erase_if(held_[member.source()], [&](const Delivered& one) {
      return std::none_of(attached.claimed.begin(), attached.claimed.end(), [&](const wire::Claim& claim) {
        return claim.first.handout == one.id.handout && claim.first.offset <= one.id.offset &&
               one.id.offset < claim.first.offset + claim.count;
      });
    });
    take(member);
  }

  void pass() {
    for (TestClient& member : members_) {
      if (member.session != 0) member.send(wire::Renew{{member.session}});
    }
    producer_.send(wire::Renew{{producer_.session}});
    proxy_.advance(2s);
  }

  void publish() {
    wire::PacketBuilder builder;
    const bool keyed = below(2) == 0;
    for (std::uint64_t i = 0, count = 1 + below(4); i < count; ++i) {
      Bytes data;
      wire::Writer(data).uint(i);
      builder.add(data, {}, keyed ? std::optional(static_cast<std::uint32_t>(below(3))) : std::nullopt);
    }
    wire::PacketHeader header;
    header.source = producer_.source();
    header.epoch = producer_.epoch;
    header.event_class = wire::EventClass::durable;
    header.sequence = producer_.next_commit;
    producer_.publish({{SharedBytes::own(topics[below(3)]), SharedBytes::own(builder.finish(header))}});
  }

  void take(TestClient& member) {
    auto& held = held_[member.source()];
    for (const Delivered& one : member.deliveries()) {
      CAPTURE(one.id.offset);
      CHECK_FALSE(settled_.contains(one.id.offset));
      std::erase_if(held, [&](const Delivered& old) { return old.id.generation < one.id.generation; });
      held.push_back(one);
    }
  }

  /// Settles some of what it holds; after a retry it gives up all that it holds, since some of it may be taken back.
  void work(TestClient& member, bool all = false) {
    take(member);
    if (member.session == 0) return;
    auto& held = held_[member.source()];
    while (!held.empty() && (all || below(4) > 0)) {
      const Delivered one = held.front();
      held.erase(held.begin());
      const auto verdict = all ? wire::Verdict::ack
                               : std::vector{wire::Verdict::ack, wire::Verdict::ack, wire::Verdict::retry,
                                             wire::Verdict::reject}[below(4)];
      const auto outcome = member.settle({TestClient::turn({one.settlement(verdict)})})[0];
      const bool stored = outcome.status == wire::OutcomeStatus::stored;
      if (stored && verdict != wire::Verdict::retry) settled_.insert(one.id.offset);
      if (verdict == wire::Verdict::retry) break;
    }
  }

  std::mt19937_64 random_;
  BrokerDriver proxy_;
  TestClient producer_;
  std::vector<TestClient> members_;
  std::map<std::string, std::vector<Delivered>> held_;
  /// Since the group was last moved.
  std::set<std::uint64_t> settled_;
  bool wants_all_ = false;
};

}  // namespace

TEST_CASE("whatever operators do in the middle of anything, what is settled stays so and the rest comes") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Workload workload(seed);
    for (int i = 0; i < 150; ++i) workload.step();
    workload.finish();
  }
}
