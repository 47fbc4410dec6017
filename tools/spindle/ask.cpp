#include "tools/spindle/ask.hpp"

#include <utility>

#include "spindle/wire/writer.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/group_figures.hpp"

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

Result<std::vector<Bytes>> ask_groups(Client& client, const std::string& name) {
  std::vector<Bytes> pages;
  wire::Admin admin{"groups", name, {}};
  while (true) {
    auto page = ask(client, admin);
    if (!page) return fail(page.error());
    auto groups = read_groups(*page);
    if (!groups) return fail(groups.error());
    if (groups->empty()) break;
    pages.push_back(std::move(*page));
    if (!name.empty()) return pages;
    admin.arguments.clear();
    wire::Writer(admin.arguments).map(1).str("after").uint(groups->back().id);
  }
  if (name.empty()) return pages;
  return fail(ErrorCode::unknown_group, "there is no group " + name + "; see: spindle groups");
}

}  // namespace spindle::cli
