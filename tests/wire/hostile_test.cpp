// Whatever the bytes are: no crash, no exception, and no more memory than a small multiple of them.
#include <catch2/catch.hpp>
#include <random>

#include "allocation_meter.hpp"
#include "document.hpp"
#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"

using namespace spindle;
using namespace spindle::wire;

namespace {

template <class M>
bool decodes(const Head& head) {
  return decode<M>(head).has_value();
}

bool reads_as_control(BytesView bytes) {
  Values values;
  const Head head(bytes, values);
  if (!head.ok()) return false;
  switch (head.envelope().kind) {
    case Kind::hello: return decodes<Hello>(head);
    case Kind::welcome: return decodes<Welcome>(head);
    case Kind::renew: return decodes<Renew>(head);
    case Kind::publish: return decodes<Publish>(head);
    case Kind::published: return decodes<Published>(head);
    case Kind::halted: return decodes<Halted>(head);
    case Kind::resume: return decodes<Resume>(head);
    case Kind::attach: return decodes<Attach>(head);
    case Kind::attached: return decodes<Attached>(head);
    case Kind::deliver: return decodes<Deliver>(head);
    case Kind::credit: return decodes<Credit>(head);
    case Kind::settle: return decodes<Settle>(head);
    case Kind::settled: return decodes<Settled>(head);
    case Kind::extend: return decodes<Extend>(head);
    case Kind::detach: return decodes<Detach>(head);
    case Kind::detached: return decodes<Detached>(head);
    case Kind::lost: return decodes<Lost>(head);
    case Kind::admin: return decodes<Admin>(head);
    case Kind::admin_reply: return decodes<AdminReply>(head);
    case Kind::goodbye: return decodes<Goodbye>(head);
    case Kind::error: return decodes<ErrorMessage>(head);
  }
  return false;
}

bool reads_as_packet(BytesView bytes) {
  Values scratch;
  const auto packet = Packet::parse(bytes, scratch);
  if (!packet) return false;
  const auto events = packet->events();
  if (events.size() != packet->header().count) FAIL("a packet has other events than it says");
  if (!events.empty() && !Packet::parse(packet->slice(0, events.size()), scratch)) FAIL("a slice does not parse");
  return true;
}

bool reads_as_cloud_event(BytesView bytes) { return CloudEvent::parse("orders.placed", bytes).has_value(); }

using Reader = bool (*)(BytesView);

/// Reads the bytes from a copy of exactly their size, so that a sanitizer sees a read beyond the end.
bool read_within_bounds(Reader reader, BytesView bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  const std::size_t before = bytes_allocated();
  const bool good = reader(BytesView(copy.data(), copy.size()));
  const std::size_t allocated = bytes_allocated() - before;
  if (allocated > 4096 + 128 * bytes.size()) {
    FAIL(bytes.size() << " bytes made the reader allocate " << allocated);
  }
  return good;
}

std::vector<std::pair<Reader, Bytes>> good_messages() {
  std::vector<std::pair<Reader, Bytes>> all;
  for (const auto& [name, bytes] : document::examples()) {
    all.emplace_back(name == "packet"        ? reads_as_packet
                     : name == "cloud_event" ? reads_as_cloud_event
                                             : reads_as_control,
                     bytes);
  }
  PacketBuilder builder;
  Bytes attributes;
  Writer(attributes).map(2).str("subject").str("s").str("traceparent").array(1).uint(1);
  for (std::uint32_t i = 0; i < 5; ++i) builder.add(Bytes(i * 20, 'x'), i % 2 ? attributes : Bytes{});
  PacketHeader header;
  header.source = "a";
  header.attributes = attributes;
  all.emplace_back(reads_as_packet, builder.finish(header));
  return all;
}

}  // namespace

TEST_CASE("no truncation of a message is accepted") {
  for (const auto& [reader, bytes] : good_messages()) {
    REQUIRE(read_within_bounds(reader, bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      if (read_within_bounds(reader, BytesView(bytes).substr(0, size))) FAIL("accepted " << size << " bytes");
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (read_within_bounds(reader, bytes + static_cast<char>(byte))) FAIL("accepted a byte behind the end");
    }
  }
}

TEST_CASE("no changed byte does harm") {
  for (const auto& [reader, bytes] : good_messages()) {
    Bytes changed = bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (int byte = 0; byte < 256; ++byte) {
        changed[i] = static_cast<char>(byte);
        (void)read_within_bounds(reader, changed);
      }
      changed[i] = bytes[i];
    }
  }
}

TEST_CASE("no random bytes do harm") {
  const auto seed = Catch::rngSeed() == 0 ? 1u : Catch::rngSeed();
  INFO("seed " << seed << " (--rng-seed)");
  std::mt19937 random(seed);
  // bytes that begin containers, lengths and names are where parsers break
  const BytesView spice("\x90\x9f\x80\x8f\xdc\xdd\xde\xdf\xc4\xc6\xd9\xdb\xa5\xc0\xff\x00\x01", 17);
  for (const auto& [reader, bytes] : good_messages()) {
    for (int round = 0; round < 3000; ++round) {
      Bytes changed = bytes;
      for (unsigned n = 1 + random() % 4; n > 0; --n) {
        const std::size_t at = random() % changed.size();
        switch (random() % 3) {
          case 0: changed[at] = spice[random() % spice.size()]; break;
          case 1: changed.insert(at, 1, spice[random() % spice.size()]); break;
          default: changed.erase(at, 1 + random() % 3); break;
        }
        if (changed.empty()) break;
      }
      (void)read_within_bounds(reader, changed);
    }
  }
}

TEST_CASE("lengths that no message has allocate nothing") {
  using namespace std::string_literals;
  const Bytes bombs[] = {"\xdd\xff\xff\xff\xff"s,
                         "\xdf\xff\xff\xff\xff"s,
                         "\xc6\xff\xff\xff\xff"s,
                         "\xdb\xff\xff\xff\xff"s,
                         "\xc9\xff\xff\xff\xff\x01"s,
                         "\x9a\x01\xdb\xff\xff\xff\xff"s,
                         "\xdd\xff\xff\xff\xff\xa5hello"s,
                         "\x81\xa2id\xc6\xff\xff\xff\xff"s,
                         "\xc1"s,
                         Bytes(100'000, '\xdd'),
                         Bytes(100'000, '\x91'),
                         Bytes(100'000, '\x81')};
  for (const Bytes& bomb : bombs) {
    for (const Reader reader : {reads_as_control, reads_as_packet, reads_as_cloud_event}) {
      CHECK_FALSE(read_within_bounds(reader, bomb));
    }
  }
  // a packet that says it has many events, or keys, and ends there
  Bytes packet;
  Writer(packet).array(10).uint(1).str("a").uint(1).uint(0).uint(1).uint(0).uint(limits::packet_events_max).sint(0);
  CHECK_FALSE(read_within_bounds(reads_as_packet, packet + "\xc0\xc0"));
  CHECK_FALSE(read_within_bounds(reads_as_packet, packet + "\xdd\x00\x01\x00\x00"s));
}

TEST_CASE("lists whose inner heads lie are refused") {
  // entries says three, one follows; an entry says four fields, the message ends
  Bytes bytes;
  Writer(bytes).array(7).str("deliver").uint(1).uint(1).uint(1).uint(1).uint(1).array(3).array(4).uint(1);
  CHECK_FALSE(read_within_bounds(reads_as_control, bytes));
  bytes.clear();
  Writer(bytes).array(5).str("settle").uint(1).uint(1).uint(1).array(1);
  CHECK_FALSE(read_within_bounds(reads_as_control, bytes));
}

TEST_CASE("a CloudEvent with many names costs no more than it should") {
  Bytes bytes;
  Writer to(bytes);
  to.map(100'000);
  for (std::uint32_t i = 0; i < 100'000; ++i) to.str(std::to_string(i)).nil();
  CHECK_FALSE(read_within_bounds(reads_as_cloud_event, bytes));
}
