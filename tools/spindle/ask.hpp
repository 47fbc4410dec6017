#pragma once

#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::cli {

class Client;

/// Asks the proxy (PROTOCOL.md, "Administration") and waits for its answer, one msgpack value; asks again when the
/// connection is lost meanwhile. Errors: the proxy's, or `closed` when the user interrupts.
Result<Bytes> ask(Client& client, const wire::Admin& admin);

/// The figures of this group, or of all of them, page by page. Errors: those of ask(), and unknown_group when there
/// is none of that name.
Result<std::vector<Bytes>> ask_groups(Client& client, const std::string& name);

}  // namespace spindle::cli
