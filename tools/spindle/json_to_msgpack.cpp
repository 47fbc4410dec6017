#include "tools/spindle/json_to_msgpack.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "spindle/base/checksum.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/writer.hpp"
#include "tools/spindle/base64.hpp"

namespace spindle::cli {
namespace {

using Json = nlohmann::json;

/// A value as the parser met it; an object is followed by its names and values, an array by its elements.
struct Token {
  enum class Type : std::uint8_t { nil, boolean, uint, sint, real, text, bin, array, map };
  Type type = Type::nil;
  std::size_t size = 0;  // of text and bin; elements of an array, pairs of a map
  union {
    std::uint64_t uint = 0;
    std::int64_t sint;
    double real;
    std::size_t at;  // of text and bin, in the reader's bytes
  };
};

/// The library's words without its own numbering: "column 5: syntax error …".
std::string plain(std::string_view what) {
  const auto column = what.find("column ");
  if (column != std::string_view::npos) what.remove_prefix(column);
  return std::string(what.substr(0, 200));
}

}  // namespace

/// Gathers tokens while nlohmann parses: msgpack needs the size of an object before its contents.
class JsonToMsgpack::Reader {
 public:
  explicit Reader(std::string key_field) : key_field_(std::move(key_field)) {}

  Result<void> read(std::string_view text) {
    tokens_.clear();
    bytes_.clear();
    open_.clear();
    names_.clear();
    key_.reset();
    error_.reset();
    if (!Json::sax_parse(text.begin(), text.end(), this)) return fail(*error_);
    return {};
  }

  void write(Bytes& out) const {
    wire::Writer to(out);
    for (const Token& token : tokens_) write(token, to);
  }

  Result<std::optional<std::uint32_t>> event_key() const {
    if (key_field_.empty()) return std::optional<std::uint32_t>();
    if (key_ && *key_ < tokens_.size()) {
      const Token& token = tokens_[*key_];
      switch (token.type) {
        case Token::Type::text: return hash(text(token));
        case Token::Type::uint: return hash(std::to_string(token.uint));
        case Token::Type::sint: return hash(std::to_string(token.sint));
        default: break;
      }
    }
    return fail(ErrorCode::invalid_argument,
                "there is no field '" + key_field_ + "' with a string or an integer to be the event's key (--key)");
  }

  // What nlohmann calls, with its names; false ends the parse.

  bool null() { return add(Token::Type::nil); }
  bool boolean(bool value) { return add(Token::Type::boolean) && (tokens_.back().uint = value, true); }
  bool number_integer(std::int64_t value) { return add(Token::Type::sint) && (tokens_.back().sint = value, true); }
  bool number_unsigned(std::uint64_t value) { return add(Token::Type::uint) && (tokens_.back().uint = value, true); }
  bool number_float(double value, const std::string&) {
    return add(Token::Type::real) && (tokens_.back().real = value, true);
  }
  bool string(std::string& value) { return add(Token::Type::text) && keep(value); }
  bool binary(Json::binary_t&) { return refuse(ErrorCode::malformed, "JSON has no binary values"); }

  bool start_object(std::size_t) { return add(Token::Type::map) && open(); }
  bool start_array(std::size_t) { return add(Token::Type::array) && open(); }

  bool key(std::string& name) {
    ++tokens_[open_.back().token].size;
    names_.push_back({bytes_.size(), name.size()});
    tokens_.emplace_back().type = Token::Type::text;
    keep(name);
    if (open_.size() == 1 && open_.back().token == 0 && name == key_field_) key_ = tokens_.size();
    return true;
  }

  bool end_object() {
    const Open closed = open_.back();
    open_.pop_back();
    if (has_repeated_name(closed.names)) {
      return refuse(ErrorCode::malformed, "an object has two fields of one name");
    }
    names_.resize(closed.names);
    return become_bin(closed.token);
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& wrong) {
    return refuse(ErrorCode::malformed, plain(wrong.what()));
  }

 private:
  struct Open {
    std::size_t token;  // index of the array or map
    std::size_t names;  // how many names were known before it
  };
  struct Name {
    std::size_t at;
    std::size_t size;
  };

  bool refuse(ErrorCode code, std::string why) {
    error_ = Error{code, std::move(why)};
    return false;
  }

  bool add(Token::Type type) {
    if (!open_.empty() && tokens_[open_.back().token].type == Token::Type::array) {
      ++tokens_[open_.back().token].size;
    }
    if (tokens_.size() >= limits::msgpack_values_max) {
      return refuse(ErrorCode::too_large, "more than " + std::to_string(limits::msgpack_values_max) +
                                              " values in one event (msgpack_values_max): split it");
    }
    tokens_.emplace_back().type = type;
    return true;
  }

  bool keep(std::string_view value) {
    tokens_.back().at = bytes_.size();
    tokens_.back().size = value.size();
    bytes_ += value;
    return true;
  }

  bool open() {
    open_.push_back({tokens_.size() - 1, names_.size()});
    if (open_.size() <= limits::msgpack_depth_max) return true;
    return refuse(ErrorCode::malformed, "nested deeper than " + std::to_string(limits::msgpack_depth_max));
  }

  std::string_view text(const Token& token) const { return BytesView(bytes_).substr(token.at, token.size); }
  std::string_view text(const Name& name) const { return BytesView(bytes_).substr(name.at, name.size); }

  /// Of two, readers would see only one: which, depends on the reader.
  bool has_repeated_name(std::size_t from) {
    const auto first = names_.begin() + static_cast<std::ptrdiff_t>(from);
    std::sort(first, names_.end(), [this](const Name& a, const Name& b) { return text(a) < text(b); });
    return std::adjacent_find(first, names_.end(),
                              [this](const Name& a, const Name& b) { return text(a) == text(b); }) != names_.end();
  }

  /// {"$bin": "…"} stands for bytes.
  bool become_bin(std::size_t map) {
    if (tokens_[map].size != 1 || text(tokens_[map + 1]) != "$bin") return true;
    const Token value = tokens_[map + 2];
    std::optional<Bytes> bytes;
    if (value.type == Token::Type::text) bytes = decode_base64(text(value));
    if (!bytes) return refuse(ErrorCode::malformed, "\"$bin\" is not followed by padded base64");
    tokens_.resize(map + 1);
    tokens_.back().type = Token::Type::bin;
    return keep(*bytes);
  }

  void write(const Token& token, wire::Writer& to) const {
    switch (token.type) {
      case Token::Type::nil: to.nil(); break;
      case Token::Type::boolean: to.boolean(token.uint != 0); break;
      case Token::Type::uint: to.uint(token.uint); break;
      case Token::Type::sint: to.sint(token.sint); break;
      case Token::Type::real: to.real(token.real); break;
      case Token::Type::text: to.str(text(token)); break;
      case Token::Type::bin: to.bin(text(token)); break;
      case Token::Type::array: to.array(token.size); break;
      case Token::Type::map: to.map(token.size); break;
    }
  }

  /// As spindle::key_hash does, in a layer that is not for tools.
  static std::optional<std::uint32_t> hash(std::string_view key) { return static_cast<std::uint32_t>(checksum(key)); }

  std::string key_field_;
  std::vector<Token> tokens_;
  Bytes bytes_;
  std::vector<Open> open_;
  std::vector<Name> names_;  // of the objects that are open
  std::optional<std::size_t> key_;
  std::optional<Error> error_;
};

JsonToMsgpack::JsonToMsgpack(std::string key_field) : reader_(std::make_unique<Reader>(std::move(key_field))) {}
JsonToMsgpack::~JsonToMsgpack() = default;

Result<JsonToMsgpack::Converted> JsonToMsgpack::convert(std::string_view text) {
  if (auto done = reader_->read(text); !done) return fail(done.error());
  auto key = reader_->event_key();
  if (!key) return fail(key.error());
  data_.clear();
  reader_->write(data_);
  if (data_.size() > limits::event_bytes_max) {
    return fail(ErrorCode::too_large, "the event has " + std::to_string(data_.size()) +
                                          " bytes, event_bytes_max is " + std::to_string(limits::event_bytes_max) +
                                          ": store the payload elsewhere and publish a reference");
  }
  return Converted{data_, *key};
}

}  // namespace spindle::cli
