#include "spindle/wire/message.hpp"

#include <array>

namespace spindle::wire {
namespace {

constexpr std::array<std::string_view, 21> names{
    "hello",  "welcome",  "renew",   "publish", "published",   "halted",  "resume",
    "attach", "attached", "deliver", "credit",  "settle",      "settled", "extend",
    "detach", "detached", "lost",    "admin",   "admin_reply", "goodbye", "error"};

}  // namespace

std::string_view name(Kind kind) { return names[static_cast<std::size_t>(kind)]; }

std::optional<Kind> kind_named(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

Head::Head(BytesView bytes, Values& values) : fields_(values) {
  if (auto read = values.read_whole(bytes); !read) {
    error_ = read.error();
    return;
  }
  fields_.array("control message");
  const std::string_view kind = fields_.str("kind");
  envelope_.session = fields_.uint("session");
  envelope_.number = fields_.uint("number");
  if (!fields_.ok()) {
    error_ = fields_.error();
  } else if (auto known = kind_named(kind)) {
    envelope_.kind = *known;
  } else {
    error_ =
        Error{ErrorCode::unsupported, "this version knows no message kind '" + std::string(kind.substr(0, 40)) + "'"};
  }
}

}  // namespace spindle::wire
