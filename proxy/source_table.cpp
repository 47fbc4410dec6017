#include "proxy/source_table.hpp"

#include <algorithm>

#include "spindle/wire/limits.hpp"

namespace spindle::proxy {

bool join(wire::Outcome& last, const wire::Outcome& next) {
  if (last.events != 0 || next.events != 0 || last.status != next.status) return false;
  if (last.status == wire::OutcomeStatus::refused && (last.code != next.code || last.text != next.text)) return false;
  last.run += next.run;
  return true;
}

void Source::remember(wire::Outcome outcome) {
  last_number = outcome.number + outcome.run - 1;
  if (recent.empty() || !join(recent.back(), outcome)) recent.push_back(std::move(outcome));
  while (recent.front().number + recent.front().run + limits::commits_in_flight_max <= last_number + 1) {
    recent.pop_front();
  }
}

std::vector<wire::Outcome> Source::repeat(std::uint64_t first, std::uint64_t last) const {
  std::vector<wire::Outcome> outcomes;
  const std::uint64_t known = recent.empty() ? last_number + 1 : recent.front().number;
  if (first < known) {
    wire::Outcome before;
    before.number = first;
    before.run = std::min(last + 1, known) - first;
    before.status = wire::OutcomeStatus::stored_before;
    outcomes.push_back(before);
  }
  for (const wire::Outcome& outcome : recent) {
    const std::uint64_t begin = std::max(outcome.number, first);
    const std::uint64_t end = std::min(outcome.number + outcome.run, last + 1);
    if (begin >= end) continue;
    outcomes.push_back(outcome);
    outcomes.back().number = begin;
    outcomes.back().run = end - begin;
  }
  return outcomes;
}

Source* SourceTable::find(std::string_view name) {
  auto found = sources_.find(name);
  return found == sources_.end() ? nullptr : &found->second;
}

Source& SourceTable::get(std::string_view name) {
  if (Source* known = find(name)) return *known;
  Source& source = sources_[std::string(name)];
  source.name = name;
  return source;
}

void SourceTable::forget(std::string_view name) {
  auto found = sources_.find(name);
  if (found != sources_.end()) sources_.erase(found);
}

void SourceTable::write(wire::Writer& to) const {
  for (const auto& [name, source] : sources_) {
    to.array(4).str(name).uint(source.epoch).uint(source.last_number).array(source.recent.size());
    for (const wire::Outcome& outcome : source.recent) outcome.write(to);
  }
}

void SourceTable::read_one(wire::Cursor& at) {
  at.array("source");
  Source& source = get(at.str("source name"));
  source.epoch = at.uint("epoch");
  source.last_number = at.uint("last_number");
  const std::uint32_t outcomes = at.array("outcomes");
  for (std::uint32_t k = 0; k < outcomes && at.ok(); ++k) source.recent.emplace_back().read(at);
}

}  // namespace spindle::proxy
