#include "proxy/outcome_memory.hpp"

#include <algorithm>

#include "spindle/wire/limits.hpp"

namespace spindle::proxy {

using wire::OutcomeStatus;

bool join(wire::Outcome& last, const wire::Outcome& next) {
  if (last.events != 0 || next.events != 0 || last.status != next.status) return false;
  if (last.status == OutcomeStatus::refused && (last.code != next.code || last.text != next.text)) return false;
  last.run += next.run;
  return true;
}

wire::Outcome OutcomeMemory::Entry::outcome() const {
  wire::Outcome outcome;
  outcome.number = number;
  outcome.run = run;
  outcome.status = status;
  outcome.events = events;
  outcome.first_offset = first_offset;
  outcome.code = code;
  if (text) outcome.text = *text;
  return outcome;
}

bool OutcomeMemory::join_last(const wire::Outcome& next) {
  if (empty()) return false;
  Entry& last = entries_.back();
  if (last.events != 0 || next.events != 0 || last.status != next.status) return false;
  if (last.status == OutcomeStatus::refused && (last.code != next.code || *last.text != next.text)) return false;
  last.run += next.run;
  return true;
}

void OutcomeMemory::add(const wire::Outcome& outcome) {
  if (!join_last(outcome)) {
    if (entries_.size() == entries_.capacity() && begin_ > 0) {
      entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    Entry& entry = entries_.emplace_back();
    entry.number = outcome.number;
    entry.run = outcome.run;
    entry.status = outcome.status;
    entry.events = static_cast<std::uint32_t>(outcome.events);
    entry.first_offset = outcome.first_offset;
    if (outcome.status == OutcomeStatus::refused) {
      entry.code = outcome.code;
      entry.text = std::make_unique<const std::string>(outcome.text);
      text_bytes_ += sizeof(std::string) + outcome.text.size();
    }
  }
  drop_old();
}

void OutcomeMemory::drop_old() {
  const std::uint64_t end = entries_.back().number + entries_.back().run;
  while (entries_[begin_].number + entries_[begin_].run + limits::commits_in_flight_max <= end) {
    Entry& old = entries_[begin_++];
    if (old.text) text_bytes_ -= sizeof(std::string) + old.text->size();
    old.text.reset();
  }
}

std::vector<wire::Outcome> OutcomeMemory::repeat(std::uint64_t first, std::uint64_t last) const {
  std::vector<wire::Outcome> outcomes;
  const std::uint64_t known = empty() ? last + 1 : entries_[begin_].number;
  if (first < known) {
    wire::Outcome before;
    before.number = first;
    before.run = std::min(last + 1, known) - first;
    before.status = OutcomeStatus::stored_before;
    outcomes.push_back(before);
  }
  for (std::size_t i = begin_; i < entries_.size(); ++i) {
    const std::uint64_t begin = std::max(entries_[i].number, first);
    const std::uint64_t end = std::min(entries_[i].number + entries_[i].run, last + 1);
    if (begin >= end) continue;
    outcomes.push_back(entries_[i].outcome());
    outcomes.back().number = begin;
    outcomes.back().run = end - begin;
  }
  return outcomes;
}

void OutcomeMemory::compact() {
  OutcomeMemory kept;
  for (std::size_t i = begin_; i < entries_.size(); ++i) {
    wire::Outcome outcome = entries_[i].outcome();
    if (outcome.status == OutcomeStatus::stored) {
      outcome.status = OutcomeStatus::stored_before;
      outcome.events = 0;
      outcome.first_offset = 0;
    }
    kept.add(outcome);
  }
  kept.entries_.shrink_to_fit();
  *this = std::move(kept);
}

void OutcomeMemory::write(wire::Writer& to) const {
  to.array(size());
  for (std::size_t i = begin_; i < entries_.size(); ++i) entries_[i].outcome().write(to);
}

void OutcomeMemory::read(wire::Cursor& at) {
  const std::uint32_t count = at.array("outcomes");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
    wire::Outcome outcome;
    outcome.read(at);
    add(outcome);
  }
}

}  // namespace spindle::proxy
