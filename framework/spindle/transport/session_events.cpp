#include "spindle/transport/session_events.hpp"

#include "spindle/base/concat.hpp"

namespace spindle::transport {

std::string describe(const session_event::StartedAnew& anew) {
  if (anew.last < anew.first) return concat("no commit is known to be lost; ", anew.why.message());
  return concat("commits ", anew.first, " to ", anew.last, " were acknowledged and are not in the proxy's spool; ",
                anew.why.message());
}

}  // namespace spindle::transport
