// Counts every allocation of this test program, to show that the usual event needs none.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace {
thread_local std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace spindle {
namespace {

template <class Step>
std::size_t allocations_of(Step step) {
  step();  // buffers grow
  const std::size_t before = allocations;
  step();
  return allocations - before;
}

TEST_CASE("an event of short strings costs no allocation but those of msgpack's parser") {
  const samples::OrderPlaced event{"order-1", "a@b.c", 7};
  wire::Values scratch;
  Bytes out;
  bool good = true;
  const std::size_t encoding = allocations_of([&] {
    out.clear();
    good = good && encode(event, out);
  });
  const std::size_t parsing = allocations_of([&] { good = good && scratch.read_whole(out); });
  const std::size_t decoding = allocations_of([&] { good = good && decode<samples::OrderPlaced>(out, scratch); });
  CHECK(good);
  CHECK(encoding == 0);
  CHECK(decoding == parsing);
}

}  // namespace
}  // namespace spindle
