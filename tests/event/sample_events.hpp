#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "spindle/event.hpp"

namespace samples {

struct OrderPlaced {
  static constexpr std::string_view topic = "orders.placed";
  static constexpr bool durable = true;
  std::string order_id, email;
  std::int64_t total_cents = 0;
  std::string_view key() const { return order_id; }
  bool operator==(const OrderPlaced&) const = default;
  MSGPACK_DEFINE_MAP(order_id, email, total_cents)
};

enum class Colour : std::uint8_t { red = 1, green = 2 };
enum class Checked { one = 1, two = 2 };
constexpr bool is_enumerator(Checked value) { return value == Checked::one || value == Checked::two; }
/// The library's own macro is not needed, and does no harm.
enum class Added { no, yes };

}  // namespace samples

MSGPACK_ADD_ENUM(samples::Added)

namespace samples {

struct Point {
  std::int32_t x = 0, y = 0;
  bool operator==(const Point&) const = default;
  MSGPACK_DEFINE(x, y)
};

struct Line {
  std::string sku;
  std::uint16_t count = 0;
  std::optional<Point> shelf;
  bool operator==(const Line&) const = default;
  MSGPACK_DEFINE_MAP(sku, count, shelf)
};

struct Everything {
  static constexpr std::string_view topic = "test.everything";
  static constexpr bool durable = false;
  bool flag = false;
  char letter = 0;
  std::int8_t i8 = 0;
  std::uint8_t u8 = 0;
  std::int16_t i16 = 0;
  std::uint32_t u32 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  std::string text;
  Colour colour = Colour::red;
  Checked checked = Checked::one;
  Added added = Added::no;
  std::chrono::milliseconds timeout{0};
  std::chrono::duration<double> ratio{0};
  std::chrono::system_clock::time_point at;
  std::optional<std::string> note;
  std::vector<std::int32_t> numbers;
  std::vector<bool> flags;
  std::array<double, 3> vector3{};
  std::array<std::byte, 4> digest{};
  std::vector<std::byte> blob;
  std::vector<unsigned char> raw;
  std::map<std::string, std::int64_t> prices;
  std::unordered_map<std::uint32_t, std::string> names;
  std::vector<Line> lines;
  std::map<std::string, std::vector<std::optional<Point>>> deep;
  bool operator==(const Everything&) const = default;
  MSGPACK_DEFINE_MAP(flag, letter, i8, u8, i16, u32, i64, u64, f32, f64, text, colour, checked, added, timeout, ratio,
                     at, note, numbers, flags, vector3, digest, blob, raw, prices, names, lines, deep)
};

inline Everything everything() {
  Everything e;
  e.flag = true;
  e.letter = 'x';
  e.i8 = -128;
  e.u8 = 255;
  e.i16 = -32768;
  e.u32 = 4'000'000'000;
  e.i64 = INT64_MIN;
  e.u64 = UINT64_MAX;
  e.f32 = 1.5f;
  e.f64 = -0.1;
  e.text = "Grüße, \xf0\x9f\x8d\x95";
  e.colour = Colour::green;
  e.checked = Checked::two;
  e.added = Added::yes;
  e.timeout = std::chrono::milliseconds(-1500);
  e.ratio = std::chrono::duration<double>(0.25);
  e.at = std::chrono::system_clock::time_point(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  e.note = "careful";
  e.numbers = {1, -1, 70'000};
  e.flags = {true, false, true};
  e.vector3 = {1, 0.5, -2};
  e.digest = {std::byte{0}, std::byte{1}, std::byte{0xfe}, std::byte{0xff}};
  e.blob = {std::byte{0x80}, std::byte{0}};
  e.raw = {0xc1, 0xff};
  e.prices = {{"apple", 30}, {"pear", -1}};
  e.names = {{7, "seven"}, {8, ""}};
  e.lines = {{"a-1", 2, Point{1, -1}}, {"b-2", 65'535, std::nullopt}};
  e.deep = {{"", {}}, {"k", {std::nullopt, Point{3, 4}}}};
  return e;
}

}  // namespace samples
