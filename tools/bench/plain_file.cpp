#include "tools/bench/plain_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>

#include "tools/bench/child.hpp"

namespace spindle::bench {

PlainFile::PlainFile(std::uint64_t bytes) : path_(scratch_directory() + "/spindle-bench-plain") {
  file_ = ::open(path_.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
  if (file_ < 0 || ::posix_fallocate(file_, 0, static_cast<off_t>(bytes)) != 0 || ::fsync(file_) != 0) {
    throw std::runtime_error("cannot make " + path_);
  }
}

PlainFile::~PlainFile() {
  ::close(file_);
  ::unlink(path_.c_str());
}

void PlainFile::append(std::size_t bytes) {
  if (piece_.size() < bytes) piece_.resize(bytes, 'x');
  for (std::size_t written = 0; written < bytes;) {
    const ssize_t wrote = ::pwrite(file_, piece_.data() + written, bytes - written, position_);
    if (wrote <= 0) throw std::runtime_error("cannot write " + path_);
    written += static_cast<std::size_t>(wrote);
    position_ += wrote;
  }
  if (::fdatasync(file_) != 0) throw std::runtime_error("cannot sync " + path_);
}

}  // namespace spindle::bench
