#pragma once

#include <cstdint>

/// The benchmarks; each alternates with its baseline and prints both with the ratio.
namespace spindle::bench {

void bench_live(int rounds, double seconds);
/// Durable publish by one pipelining producer, beside a plain loop of the very writes and fdatasyncs that it caused.
void bench_durable(int rounds, std::uint64_t events);
/// One synchronous durable publish, beside one fdatasync plus one raw ROUTER/DEALER round trip.
void bench_sync(int rounds, std::uint64_t events);
/// Deliver and settle with handlers that only count: a backlog by one member and by two, and by one member while it
/// is published; beside raw libzmq with the packets that occurred.
void bench_deliver(int rounds, std::uint64_t events);
/// Deliver and settle of a backlog of events with keys and without.
void bench_keys(int rounds, std::uint64_t events);
/// A backlog delivered to 1 to 100 groups that all want all of it, beside raw libzmq with the same packets.
void bench_fanout(int rounds, std::uint64_t events);
/// Turns that consume one event and publish one, both durable.
void bench_turns(int rounds, std::uint64_t events);
/// One producer that does not wait, with 1,000 groups that do nothing and without them.
void bench_idle(int rounds, std::uint64_t events);
/// A proxy that is started on a spool of `bytes` with 1,000 groups, nothing of it in memory.
void bench_recovery(int rounds, std::uint64_t bytes);
/// A new group that wants one event in 10,000 of a backlog, on a proxy that was just started; beside the same without
/// topic indexes.
void bench_narrow(int rounds, std::uint64_t events);
/// Resident memory of a proxy with a backlog and 1,000 groups that do nothing about it.
void bench_memory(std::uint64_t events);

}  // namespace spindle::bench
