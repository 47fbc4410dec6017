#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "spindle/base/checksum.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/writer.hpp"
#include "tools/spindle/base64.hpp"
#include "tools/spindle/json_to_msgpack.hpp"
#include "tools/spindle/msgpack_to_json.hpp"

using namespace spindle;
using namespace spindle::cli;

namespace {

std::string there_and_back(const std::string& json) {
  JsonToMsgpack to_msgpack;
  auto converted = to_msgpack.convert(json);
  if (!converted) return converted.error().message();
  Bytes text;
  MsgpackToJson to_json;
  auto done = to_json.append(text, converted->data);
  return done ? text : done.error().message();
}

std::string to_json(BytesView msgpack) {
  Bytes text;
  auto done = MsgpackToJson().append(text, msgpack);
  return done ? text : done.error().message();
}

ErrorCode refusal(const std::string& json, const std::string& key_field = "") {
  return JsonToMsgpack(key_field).convert(json).error().code;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("JSON comes back as it was, fields in their order") {
  for (const std::string json : {"null",
                                 "true",
                                 "false",
                                 "0",
                                 "-1",
                                 "18446744073709551615",
                                 "-9223372036854775808",
                                 "1.5",
                                 "-0.25",
                                 "1.0",
                                 "1e+300",
                                 R"("")",
                                 R"("a\"b\\c\n\u0001ä€😀")",
                                 "[]",
                                 "{}",
                                 "[1,[2,{}],null]",
                                 R"({"z":1,"a":{"b":[true]},"m":"x"})",
                                 R"({"$bin":"AAEC/w=="})",
                                 R"({"$bin":""})",
                                 R"({"$bin":"AA==","other":1})"}) {
    CHECK(there_and_back(json) == json);
  }
}

TEST_CASE("blanks and escapes of JSON are read as what they mean") {
  CHECK(there_and_back(" { \"a\" : [ 1 , 2 ] } ") == R"({"a":[1,2]})");
  CHECK(there_and_back(R"("\u00e4\ud83d\ude00\/")") == "\"ä😀/\"");
}

TEST_CASE("what is not one JSON value is malformed and says the column") {
  for (const std::string json : {"", "{", "[1,]", "1 2", "nul", "'a'", "{\"a\"}", "\"\xff\"", "01", "1e999"}) {
    auto converted = JsonToMsgpack().convert(json);
    REQUIRE_FALSE(converted);
    CHECK(converted.error().code == ErrorCode::malformed);
  }
  CHECK(JsonToMsgpack().convert("[1,]").error().text.starts_with("column 4"));
}

TEST_CASE("a name that stands twice in one object is refused, in two objects it is not") {
  CHECK(refusal(R"({"a":1,"b":2,"a":3})") == ErrorCode::malformed);
  CHECK(refusal(R"([{"b":{"a":1,"a":1}}])") == ErrorCode::malformed);
  CHECK(there_and_back(R"({"a":{"a":1},"b":{"a":2}})") == R"({"a":{"a":1},"b":{"a":2}})");
}

TEST_CASE("what readers would refuse for depth or size is refused at once") {
  CHECK(there_and_back(nested(limits::msgpack_depth_max)) == nested(limits::msgpack_depth_max));
  CHECK(refusal(nested(limits::msgpack_depth_max + 1)) == ErrorCode::malformed);
  CHECK(refusal(nested(100'000)) == ErrorCode::malformed);
  CHECK(refusal('"' + std::string(limits::event_bytes_max, 'x') + '"') == ErrorCode::too_large);
  std::string many = "[0";
  for (std::size_t i = 0; i < limits::msgpack_values_max; ++i) many += ",0";
  CHECK(refusal(many + "]") == ErrorCode::too_large);
}

TEST_CASE("wrong base64 is refused") {
  for (const std::string text : {"A", "AA", "AAA", "A===", "AA=A", "AB==", "!!!!", "AAAA=", "=AAA"}) {
    CHECK_FALSE(decode_base64(text));
    CHECK(refusal("{\"$bin\":\"" + text + "\"}") == ErrorCode::malformed);
  }
  CHECK(refusal(R"({"$bin":1})") == ErrorCode::malformed);
}

TEST_CASE("random bytes survive base64") {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 200; ++size) {
    Bytes bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    Bytes text;
    append_base64(text, bytes);
    CHECK(decode_base64(text) == bytes);
  }
}

TEST_CASE("the key is a field of the outermost object, an integer as its decimal text") {
  auto hash = [](std::string_view key) { return static_cast<std::uint32_t>(checksum(key)); };
  JsonToMsgpack convert("id");
  CHECK(convert.convert(R"({"a":{"id":"no"},"id":"yes"})")->key == hash("yes"));
  CHECK(convert.convert(R"({"id":7})")->key == hash("7"));
  CHECK(convert.convert(R"({"id":-7})")->key == hash("-7"));
  CHECK_FALSE(JsonToMsgpack().convert(R"({"id":7})")->key);
  for (const char* json :
       {"{}", "7", R"([{"id":1}])", R"({"a":{"id":1}})", R"({"id":1.5})", R"({"id":{"id":1}})", R"({"id":null})"}) {
    CHECK(refusal(json, "id") == ErrorCode::invalid_argument);
  }
  CHECK(refusal(R"({"$bin":"AA=="})", "$bin") == ErrorCode::invalid_argument);
}

TEST_CASE("msgpack that JSON has no words for is still shown") {
  Bytes map;
  wire::Writer(map).map(3).uint(7).str("seven").nil().boolean(true).array(1).uint(1).real(0.5);
  CHECK(to_json(map) == R"({"7":"seven","null":true,"[1]":0.5})");
  CHECK(to_json("\xd4\x05\x01") == R"({"$ext":5,"$bin":"AQ=="})");
  Bytes infinite;
  wire::Writer(infinite).real(std::numeric_limits<double>::infinity());
  CHECK(to_json(infinite) == "null");
}

TEST_CASE("bytes that are no msgpack value leave the output as it was") {
  for (const Bytes& bytes : {Bytes(""), Bytes("\xc1"), Bytes("\x92\x01"), Bytes("\x01\x01"), Bytes("\xa1\xff")}) {
    Bytes text = "before";
    auto done = MsgpackToJson().append(text, bytes);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::malformed);
    CHECK(text == "before");
  }
}
