#pragma once

#include <string>

#include "tools/spindle/proxy_options.hpp"

namespace spindle::cli {

class Client;
class EventInput;

/// What `spindle pub` was asked to do.
struct PublishOptions {
  std::string topic;
  bool durable = false;
  bool receipts = false;
  std::string source;
  std::string key_field;
  ProxyOptions proxy;
};

// Each publishes the whole input and returns the exit code when the fate of all that was read is known.

/// Live: begins when an echo has proved the way to the proxy, ends when another proves that all has passed it.
int publish_live(const PublishOptions& options, Client& client, EventInput& input);
/// Durable: pipelined commits of what the input has ready; ends when all are on disk or refused.
int publish_durable(const PublishOptions& options, Client& client, EventInput& input);

}  // namespace spindle::cli
