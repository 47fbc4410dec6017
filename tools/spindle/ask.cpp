#include "tools/spindle/ask.hpp"

#include <utility>

#include "tools/spindle/client.hpp"

namespace spindle::cli {

using transport::session_event::AdminAnswered;

Result<Bytes> ask(Client& client, const wire::Admin& admin) {
  auto send = [&] { return client.session().admin(admin.verb, admin.subject, admin.arguments); };
  std::uint64_t request = send();
  while (true) {
    auto turn = client.turn({});
    if (!turn) return fail(turn.error());
    if (turn->stops > 0) return fail(ErrorCode::closed, "interrupted");
    for (auto& event : turn->events) {
      auto* answered = std::get_if<AdminAnswered>(&event);
      if (answered == nullptr || answered->request != request) continue;
      const bool again = !answered->body && answered->body.error().code == ErrorCode::unavailable;
      if (!again) return std::move(answered->body);
      request = send();
    }
  }
}

}  // namespace spindle::cli
