// Dead letters as operators see them: listed, replayed to their group, discarded.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "proxy/group_topics.hpp"
#include "proxy/log.hpp"
#include "spindle/spool/reader.hpp"

namespace spindle::proxy {
namespace {

/// What is read of the log for a letter, at a guess, and at least.
constexpr std::size_t letter_bytes_guess = 1024;
constexpr std::size_t letters_read_bytes_min = 16 * 1024;

}  // namespace

void BrokerState::admin_dead(Session& session, std::uint64_t answers, const wire::Admin& admin, Now now) {
  auto request = DeadRequest::parse(admin, packet_values_);
  if (!request) return send_error(session, answers, request.error());
  Group* group = group_named(admin.subject);
  if (group == nullptr) {
    return send_error(session, answers,
                      {ErrorCode::unknown_group, "there is no group " + admin.subject + "; see: spindle groups"});
  }
  request->session = session.id;
  request->answers = answers;
  request->group = group->id();
  if (request->what == DeadRequest::What::discard) {
    discard_letters(*group, *request, now);
    return answer_dead(*request);
  }
  if (dead_requests_.size() >= dead_requests_max) {
    return send_error(session, answers,
                      {ErrorCode::too_many, "dead_requests_max (16) requests read dead letters already; ask again"});
  }
  dead_requests_.emplace(++last_dead_request_, std::move(*request));  // take_reads() begins it
}

/// Asks for what the requests want to see next, and answers those that have seen enough.
void BrokerState::take_dead_reads(std::vector<ReadRequest>& reads) {
  for (auto at = dead_requests_.begin(); at != dead_requests_.end();) {
    const auto& [id, request] = *at;
    if (request.after_batch > ledger_->durable_batch()) {
      ++at;
      continue;
    }
    const auto group = groups_.find(request.group);
    const auto range = group == groups_.end() || request.full()
                           ? std::nullopt
                           : request.next(group->second->letter_offsets(), ledger_->durable_end());
    if (!range) {
      answer_dead(request);
      at = dead_requests_.erase(at);
      continue;
    }
    const auto bytes = std::min<std::uint64_t>(range->size(), read_bytes_max) * letter_bytes_guess;
    ReadRequest read;
    read.group = request.group;
    read.from_offset = range->begin;
    read.bytes_max = std::clamp<std::size_t>(bytes, letters_read_bytes_min, read_bytes_max);
    read.dead_request = id;
    reads.push_back(std::move(read));
    ++at;
  }
}

void BrokerState::answer_dead(const DeadRequest& request) {
  note_replayed(request);
  const auto session = sessions_.find(request.session);
  if (session == sessions_.end()) return;
  const auto group = groups_.find(request.group);
  if (group == groups_.end()) {
    return send_error(session->second, request.answers,
                      {ErrorCode::unknown_group, "the group was deleted; see: spindle groups"});
  }
  Bytes body = request.answer(group->second->letter_offsets(), group->second->letters(), ledger_->durable_end());
  send(session->second, wire::AdminReply{request.answers, std::move(body)}, ledger_->decided_batch());
}

/// Who asked is gone: what is replayed so far stays so.
void BrokerState::drop_dead_requests(std::uint64_t session) {
  std::erase_if(dead_requests_, [&](const auto& one) {
    if (one.second.session == session) note_replayed(one.second);
    return one.second.session == session;
  });
}

void BrokerState::note_replayed(const DeadRequest& request) {
  const auto group = groups_.find(request.group);
  if (request.what != DeadRequest::What::replay || request.done == 0 || group == groups_.end()) return;
  log::info("replayed " + std::to_string(request.done) + " dead letters of group " + group->second->name() +
            " to it, offsets " + std::to_string(request.chosen.intervals().front().begin) + " to " +
            std::to_string(request.chosen.intervals().back().end - 1));
}

void BrokerState::on_dead_block(const ReadRequest& read, const spool::Block& block, Now now) {
  const auto found = dead_requests_.find(read.dead_request);
  const auto owner = groups_.find(read.group);
  if (found == dead_requests_.end() || owner == groups_.end()) return;
  DeadRequest& request = found->second;
  Group& group = *owner->second;
  if (block.records.empty()) return on_dead_read_error(read, {ErrorCode::corrupt, "nothing is stored there"});
  for (const spool::Record& record : block.records) {
    const auto next = request.full() ? std::nullopt : request.next(group.letter_offsets(), block.next_offset);
    if (!next) break;
    request.bytes_read += record.body.size();
    if (next->begin >= record.next_offset()) continue;  // something in between
    if (!take_letter(request, group, record, now)) return;
    request.at = record.next_offset();
  }
  if (request.what == DeadRequest::What::replay) request.after_batch = ledger_->decided_batch();
}

void BrokerState::on_dead_read_error(const ReadRequest& read, const Error& error) {
  const auto found = dead_requests_.find(read.dead_request);
  if (found == dead_requests_.end()) return;
  found->second.add_unreadable(read.from_offset, error.text);
  found->second.at = read.from_offset + 1;
}

/// False when the request goes no further before this letter.
bool BrokerState::take_letter(DeadRequest& request, Group& group, const spool::Record& record, Now now) {
  auto letter = DeadLetter::read(record, group.name(), packet_values_);
  if (!letter) {
    request.add_unreadable(record.offset, letter.error().text);
  } else if (request.what == DeadRequest::What::list) {
    request.add(*letter);
  } else {
    return replay_letter(request, group, *letter, now);
  }
  return true;
}

/// The event goes to its group once more and the letter is none any more, in one commit.
bool BrokerState::replay_letter(DeadRequest& request, Group& group, const DeadLetter& letter, Now now) {
  const std::uint64_t offset = letter.letter_offset;
  auto packet = letter.replay_packet(packet_values_);
  if (!packet) {
    request.add_unreadable(offset, packet.error().text);
    return true;
  }
  const std::string topic = replay_topic(group.name(), group.id(), letter.topic);
  if (!group.wants_topic(topic)) {
    request.add_unreadable(offset, "no pattern of the group wants " + letter.topic +
                                       " any more: let a member attach with one, or discard the letter");
    return true;
  }
  GroupRecord record;
  record.what = GroupRecord::What::effects;
  record.group = group.id();
  record.effects.push_back({GroupEffect::What::replayed, group.id(), {offset, offset + 1}, 0, 0, {}});
  const Bytes body = record.encode();
  const std::uint64_t bytes = spool::record_bytes(0, body.size()) + spool::record_bytes(topic.size(), packet->size());
  const Tier tier = tier_of_settling(offset);
  if (!ledger_->has_space(tier, bytes + small_record_bytes_max)) {
    request.stopped = full_error(tier).text;
    return false;
  }
  if (auto room = ledger_->make_room(bytes, now); !room) {
    request.add_unreadable(offset, room.error().text);
    return true;
  }
  ledger_->log().begin(now.wall_ns);
  ledger_->log().append(spool::Kind::group, {}, body, 0, true);
  append_events(topic, *packet, 1);
  ledger_->log().finish();
  group.apply(record.effects.front(), now);
  group.decided_in_batch = ledger_->decided_batch();
  ++request.done;
  return true;
}

void BrokerState::discard_letters(Group& group, DeadRequest& request, Now now) {
  std::vector<GroupEffect> effects;
  std::uint64_t letters = 0;
  request.at = 0;
  while (const auto range = request.next(group.letter_offsets(), ~std::uint64_t{0})) {
    effects.push_back({GroupEffect::What::discarded, group.id(), *range, 0, 0, {}});
    letters += range->size();
    request.at = range->end;
  }
  if (effects.empty()) return;
  if (!ledger_->has_space(Tier::bare, (effects.size() + 2) * effect_bytes_max)) {
    request.stopped = full_error(Tier::bare).text;
    return;
  }
  log::info("discarded " + std::to_string(letters) + " dead letters of group " + group.name() + ", offsets " +
            std::to_string(effects.front().range.begin) + " to " + std::to_string(effects.back().range.end - 1));
  log_effects_in_parts(group, effects, now);
  request.done = letters;
}

}  // namespace spindle::proxy
