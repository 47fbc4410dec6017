#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace spindle {

/// Owned bytes. std::string is used as the byte buffer everywhere: no zeroing on append, short ones inline.
using Bytes = std::string;

/// Borrowed bytes: valid as long as what they point into.
using BytesView = std::string_view;

/// Bytes that keep their owner alive: a slice of a received message, of a commit, of a block read from disk.
/// Cheap to copy; immutable; may be handed to another thread.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  BytesView view;

  /// Takes `bytes` over.
  static SharedBytes own(Bytes bytes) {
    auto held = std::make_shared<const Bytes>(std::move(bytes));
    BytesView view = *held;
    return {std::move(held), view};
  }
};

}  // namespace spindle
