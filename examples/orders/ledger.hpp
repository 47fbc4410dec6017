#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <unordered_set>

namespace orders {

/// Stands for the world outside the log: a payment provider, a mail server. Like a good one it takes a key with each
/// request and does what it is asked once for each key, however often it is asked; spindle::Meta::id() is such a key.
/// A file of lines: "done KEY TEXT", or "again KEY TEXT" for a request that had been done before.
class Ledger {
 public:
  /// Opens or makes the file. Throws std::system_error, also below.
  explicit Ledger(const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// On disk when it returns. False when the key had been entered before: nothing was done but to note that.
  bool enter(const std::string& key, std::string_view text);

 private:
  void read();
  void append(const std::string& line);

  int file_;
  off_t size_ = 0;
  std::unordered_set<std::string> keys_;
};

}  // namespace orders
