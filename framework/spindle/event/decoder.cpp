#include "spindle/event/decoder.hpp"

#include <string>

#include "spindle/wire/limits.hpp"

namespace spindle::event {

using wire::ValueType;

Result<void> read_values(BytesView bytes, wire::Values& values, std::string_view topic) {
  if (bytes.size() > limits::event_bytes_max) {
    return fail(ErrorCode::too_large, std::string(topic) + ": the event has " + std::to_string(bytes.size()) +
                                          " bytes, more than " + std::to_string(limits::event_bytes_max));
  }
  auto read = values.read_whole(bytes);
  if (!read) return fail(read.error().code, std::string(topic) + ": " + read.error().text);
  return read;
}

bool Decoder::boolean(bool& field) {
  if (!is(ValueType::boolean, "a boolean")) return false;
  field = at_->uint != 0;
  ++at_;
  return true;
}

bool Decoder::text(std::string& field) {
  if (!is(ValueType::str, "a string")) return false;
  if (!is_text(at_->view())) return fails("is not UTF-8");
  field.assign(at_->data, at_->size);
  ++at_;
  return true;
}

bool Decoder::time(std::chrono::system_clock::time_point& field) {
  using Clock = std::chrono::system_clock;
  std::int64_t count = 0;
  if (!integer(count)) return false;
  field = Clock::time_point(std::chrono::duration_cast<Clock::duration>(WireTime(count)));
  return true;
}

bool Decoder::number(double& field) {
  if (at_->type == ValueType::real) {
    field = at_->real;
    return true;
  }
  if (at_->type != ValueType::uint && at_->type != ValueType::sint) return wrong_type("a float");
  // Other languages write 3.0 as 3. Every integer up to here is a double, too.
  constexpr std::int64_t exact_up_to = std::int64_t{1} << 53;
  const bool is_exact =
      at_->type == ValueType::uint ? at_->uint <= std::uint64_t{exact_up_to} : at_->sint >= -exact_up_to;
  if (!is_exact) return fails("is an integer that a float cannot hold exactly");
  field = at_->type == ValueType::uint ? static_cast<double>(at_->uint) : static_cast<double>(at_->sint);
  return true;
}

bool Decoder::take_memory(std::size_t count, std::size_t bytes_each) {
  if (memory_.take(count, bytes_each)) return true;
  failure_.set(ErrorCode::too_large, "has elements that take more than " +
                                         std::to_string(limits::event_memory_bytes_max) + " bytes of memory");
  return false;
}

bool Decoder::wrong_type(const char* wanted) {
  return fails("is " + std::string(name(at_->type)) + ", not " + wanted);
}

bool Decoder::out_of_range(const char* type) {
  const std::string found = at_->type == ValueType::uint ? std::to_string(at_->uint) : std::to_string(at_->sint);
  return fails("is " + found + ", out of range for " + type);
}

bool Decoder::wrong_size(std::size_t found, std::size_t wanted, const char* what) {
  return fails("has " + std::to_string(found) + " " + what + ", not " + std::to_string(wanted));
}

bool Decoder::fails(std::string what) {
  failure_.set(ErrorCode::malformed, std::move(what));
  return false;
}

void Decoder::StructReader::pack_map(std::uint32_t fields) {
  if (!in_.is(ValueType::map, "a map")) return;
  is_map_ = true;
  size_ = in_.at_->size;
  first_ = ++in_.at_;
  in_order_ = size_ == fields;
  if (!in_order_) build_index();
}

void Decoder::StructReader::pack_array(std::uint32_t) {
  if (!in_.is(ValueType::array, "an array")) return;
  size_ = in_.at_->size;
  first_ = ++in_.at_;
}

bool Decoder::StructReader::find_elsewhere() {
  if (!is_map_) return read_++ < size_;
  if (in_order_) {
    in_order_ = false;
    if (!build_index()) return false;
  }
  const wire::Value* found = index_.find(name_);
  if (found != nullptr) in_.at_ = found;
  return found != nullptr;
}

bool Decoder::StructReader::build_index() {
  std::string wrong = index_.build(first_, size_);
  return wrong.empty() || in_.fails(std::move(wrong));
}

bool Decoder::StructReader::is_missing() { return in_.fails("is missing; only a std::optional may be"); }

void Decoder::StructReader::fails_here() {
  if (is_map_) {
    in_.failure_.inside_field(name_);
  } else {
    in_.failure_.inside_element(read_ - 1);
  }
}

bool Decoder::StructReader::end() {
  if (in_.failure_) return false;
  if (is_map_ && !in_order_) in_.at_ = index_.end();
  for (; !is_map_ && read_ < size_; ++read_) in_.at_ = behind(in_.at_);
  return true;
}

}  // namespace spindle::event
