// What happens, line by line, for whoever looks into a seed that fails.
#include <iostream>
#include <msgpack.hpp>

#include "oracle.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::simulation {
namespace {

/// All msgpack values that stand in the bytes.
void print_values(BytesView bytes) {
  try {
    for (std::size_t at = 0; at < bytes.size();) {
      std::cout << " " << msgpack::unpack(bytes.data(), bytes.size(), at).get();
    }
  } catch (const std::exception&) {
    std::cout << " (" << bytes.size() << " bytes)";
  }
  std::cout << "\n";
}

}  // namespace

void Oracle::trace_message(const char* way, const proxy::Peer& peer, BytesView head, Now now) const {
  std::cout << std::chrono::duration<double>(now.instant.time_since_epoch()).count() << " " << way << " " << peer;
  print_values(head);
}

void Oracle::trace_record(const spool::Record& record) const {
  std::cout << "  durable: kind " << static_cast<int>(record.kind) << " offset " << record.offset << " count "
            << record.count << " " << record.topic << (record.last_of_commit ? " last" : "");
  if (record.kind != spool::Kind::events) return print_values(record.body);
  if (const auto packet = wire::Packet::parse(record.body, packet_values_)) {
    for (std::size_t i = 0; i < record.count; ++i) {
      const auto key = packet->key(i);
      std::cout << (i == 0 ? " keys " : " ") << (key ? std::to_string(*key) : "none");
    }
  }
  std::cout << "\n";
}

}  // namespace spindle::simulation
