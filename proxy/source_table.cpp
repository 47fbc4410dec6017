#include "proxy/source_table.hpp"

#include <algorithm>

namespace spindle::proxy {

Source* SourceTable::find(std::string_view name) {
  auto found = sources_.find(name);
  return found == sources_.end() ? nullptr : &found->second;
}

Source& SourceTable::get(std::string_view name) {
  if (Source* known = find(name)) return *known;
  auto made = sources_.try_emplace(std::string(name)).first;
  Source& source = made->second;
  source.name = made->first;
  source.used_ms = clock_ms_;
  source.place = by_use_.insert(by_use_.end(), &source);
  if (detailed_ == by_use_.end()) detailed_ = source.place;
  return source;
}

void SourceTable::forget(std::string_view name) {
  auto found = sources_.find(name);
  if (found == sources_.end()) return;
  outcome_bytes_ -= found->second.recent.bytes();
  if (detailed_ == found->second.place) ++detailed_;
  by_use_.erase(found->second.place);
  sources_.erase(found);
}

void SourceTable::clear() {
  sources_.clear();
  by_use_.clear();
  detailed_ = by_use_.end();
  outcome_bytes_ = 0;
}

void SourceTable::touch(Source& source) {
  source.used_ms = clock_ms_;
  if (std::next(source.place) == by_use_.end() && detailed_ != by_use_.end()) return;
  if (detailed_ == source.place) ++detailed_;
  by_use_.splice(by_use_.end(), by_use_, source.place);
  if (detailed_ == by_use_.end()) detailed_ = source.place;
}

void SourceTable::remember(Source& source, const wire::Outcome& outcome) {
  source.last_number = outcome.number + outcome.run - 1;
  outcome_bytes_ -= source.recent.bytes();
  source.recent.add(outcome);
  outcome_bytes_ += source.recent.bytes();
  touch(source);
  if (outcome_bytes_ > outcome_bytes_max_) make_room();
}

void SourceTable::make_room() {
  for (; outcome_bytes_ > outcome_bytes_max_ && detailed_ != by_use_.end(); ++detailed_) {
    OutcomeMemory& recent = (*detailed_)->recent;
    outcome_bytes_ -= recent.bytes();
    recent.compact();
    outcome_bytes_ += recent.bytes();
  }
}

void SourceTable::limit_idleness(std::uint64_t idle_ms) {
  const std::uint64_t since = clock_ms_ - std::min(clock_ms_, idle_ms);
  for (Source* source : by_use_) {
    if (source->used_ms >= since) return;
    source->used_ms = since;
  }
}

void SourceTable::write(wire::Writer& to) const {
  for (const Source* source : by_use_) {
    to.array(5).str(source->name).uint(source->epoch).uint(source->last_number).uint(source->used_ms);
    source->recent.write(to);
  }
}

void SourceTable::read_one(wire::Cursor& at) {
  at.array("source");
  Source& source = get(at.str("source name"));
  source.epoch = at.uint("epoch");
  source.last_number = at.uint("last_number");
  source.used_ms = at.uint("last use");
  source.recent.read(at);
  outcome_bytes_ += source.recent.bytes();
}

}  // namespace spindle::proxy
