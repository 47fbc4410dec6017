#include "spindle/transport/outgoing_event.hpp"

#include <string>

#include "spindle/wire/limits.hpp"

namespace spindle::transport {

Result<void> check_sizes(const OutgoingEvent& event) {
  if (event.data.size() > limits::event_bytes_max) {
    return fail(ErrorCode::too_large, "an event on " + std::string(event.topic) + " has " +
                                          std::to_string(event.data.size()) + " bytes; event_bytes_max is " +
                                          std::to_string(limits::event_bytes_max) +
                                          ": store the payload elsewhere and publish a reference");
  }
  if (event.attributes.size() > limits::attributes_bytes_max) {
    return fail(ErrorCode::too_large, "an event on " + std::string(event.topic) +
                                          " has more attributes than attributes_bytes_max (" +
                                          std::to_string(limits::attributes_bytes_max) + ")");
  }
  return {};
}

}  // namespace spindle::transport
