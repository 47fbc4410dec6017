#include "proxy/committer.hpp"

#include <pthread.h>

#include <cassert>

namespace spindle::proxy {

Committer::Committer(Files& files, std::string directory)
    : writer_(files, std::move(directory)), thread_([this] { run(); }) {}

Committer::~Committer() {
  orders_.post({});
  thread_.join();
}

void Committer::write(NumberedBatch batch) {
  assert(idle() && batch.batch != nullptr);
  busy_ = true;
  orders_.post(std::move(batch));
}

std::vector<Committed> Committer::take() {
  auto done = done_.take();
  if (!done.empty()) busy_ = false;
  return done;
}

void Committer::run() {
  ::pthread_setname_np(::pthread_self(), "committer");
  while (true) {
    orders_.wait(std::chrono::seconds(1));
    for (NumberedBatch& order : orders_.take()) {
      if (order.batch == nullptr) return;
      auto result = writer_.write(*order.batch);
      done_.post({std::move(order), std::move(result)});
    }
  }
}

}  // namespace spindle::proxy
