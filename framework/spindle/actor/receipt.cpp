#include "spindle/actor/receipt.hpp"

#include <algorithm>

#include "spindle/actor/receipt_book.hpp"

namespace spindle {

bool Receipt::ready() const { return book_->ready(index_); }

Result<std::uint64_t> Receipt::wait(std::chrono::nanoseconds timeout) const { return book_->wait(index_, timeout); }

namespace actor {

void ReceiptBook::tell(std::size_t first, Told told) {
  {
    std::lock_guard lock(mutex_);
    told_.emplace(first, std::move(told));
  }
  changed_.notify_all();
}

void ReceiptBook::stored(std::size_t first, std::size_t count, std::optional<std::uint64_t> offset) {
  tell(first, {first + count, offset, std::nullopt});
}

void ReceiptBook::refused(std::size_t first, std::size_t count, const Error& why) {
  tell(first, {first + count, std::nullopt, why});
}

void ReceiptBook::close(const Error& why) {
  {
    std::lock_guard lock(mutex_);
    closed_ = why;
  }
  changed_.notify_all();
}

std::optional<Result<std::uint64_t>> ReceiptBook::find(std::size_t index) const {
  auto above = told_.upper_bound(index);
  if (above != told_.begin()) {
    const auto& [first, told] = *std::prev(above);
    if (index < told.end) {
      if (told.error) return Result<std::uint64_t>(fail(*told.error));
      return Result<std::uint64_t>(told.offset ? *told.offset + index - first : 0);
    }
  }
  if (closed_) return Result<std::uint64_t>(fail(*closed_));
  return std::nullopt;
}

bool ReceiptBook::ready(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return find(index).has_value();
}

Result<std::uint64_t> ReceiptBook::wait(std::size_t index, std::chrono::nanoseconds timeout) const {
  std::unique_lock lock(mutex_);
  std::optional<Result<std::uint64_t>> found;
  // Bounded, so that "for ever" does not overflow when it is added to now.
  changed_.wait_for(lock, std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24 * 365)),
                    [&] { return (found = find(index)).has_value(); });
  if (found) return *found;
  return fail(ErrorCode::timeout, "the event is not durable yet; it is kept and sent until it is");
}

}  // namespace actor
}  // namespace spindle
