#include "event.hpp"

#include "broken.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::simulation {

Bytes event_data(std::uint64_t number, std::size_t padding) {
  Bytes data("\x92\xcf", 2);
  for (int shift = 56; shift >= 0; shift -= 8) data += static_cast<char>(number >> shift & 0xff);
  wire::Writer(data).str(std::string(padding, 'x'));
  return data;
}

std::uint64_t event_number(BytesView data) {
  if (data.size() < 11 || data.substr(0, 2) != BytesView("\x92\xcf", 2)) broken("an event's data is not what it was");
  std::uint64_t number = 0;
  for (char byte : data.substr(2, 8)) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace spindle::simulation
