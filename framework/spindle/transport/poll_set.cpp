#include "spindle/transport/poll_set.hpp"

#include <algorithm>
#include <vector>

#include "spindle/transport/socket.hpp"
#include "spindle/transport/zmq_error.hpp"

namespace spindle::transport {

struct PollSet::Items {
  std::vector<zmq::pollitem_t> list;
};

PollSet::PollSet() : items_(std::make_unique<Items>()) {}

PollSet::~PollSet() = default;

void PollSet::clear() { items_->list.clear(); }

std::size_t PollSet::add(const Socket& socket) {
  void* handle = static_cast<zmq::socket_t*>(socket.handle())->handle();
  items_->list.push_back({handle, 0, ZMQ_POLLIN, 0});
  return items_->list.size() - 1;
}

std::size_t PollSet::add(int descriptor) {
  items_->list.push_back({nullptr, descriptor, ZMQ_POLLIN, 0});
  return items_->list.size() - 1;
}

Result<void> PollSet::wait(Duration timeout) {
  const auto wanted = std::chrono::ceil<std::chrono::milliseconds>(std::max(timeout, Duration::zero()));
  const auto longest = std::chrono::milliseconds(std::chrono::hours(1));
  try {
    zmq::poll(items_->list, std::min(wanted, longest));
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) return fail(from_zmq(error, "wait for sockets"));
    for (zmq::pollitem_t& item : items_->list) item.revents = 0;
  }
  return {};
}

bool PollSet::readable(std::size_t index) const {
  // A pipe whose writer has gone only reports the hang-up; reading it tells its end.
  return (items_->list[index].revents & (ZMQ_POLLIN | ZMQ_POLLERR)) != 0;
}

Duration time_until(std::optional<Instant> first, std::optional<Instant> second, Instant now, Duration longest) {
  Duration time = longest;
  if (first) time = std::min(time, *first - now);
  if (second) time = std::min(time, *second - now);
  return std::max(time, Duration::zero());
}

}  // namespace spindle::transport
