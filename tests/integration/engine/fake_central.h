#ifndef EV_TESTS_INTEGRATION_ENGINE_FAKE_CENTRAL_H_
#define EV_TESTS_INTEGRATION_ENGINE_FAKE_CENTRAL_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "evcharging/central/v1/link_service.grpc.pb.h"
#include "metrics/readiness.h"
#include "metrics/registry.h"
#include "rpc/live_streams.h"
#include "rpc/server.h"
#include "rpc/server_streams.h"
#include "tests/support/eventually.h"

namespace ev {

namespace central_pb = evcharging::central::v1;

// Central's end of the link, by hand: welcomes whoever comes, beats every 200 ms unless told not to, keeps what it
// hears, and sends what the test wants.
class FakeCentral final : public central_pb::LinkService::CallbackService {
 public:
  using LinkStream = rpc::BidiStream<central_pb::LinkUp, central_pb::LinkDown>;

  FakeCentral() {
    server_ = *rpc::Server::Start({}, {this}, registry_, readiness_, streams_);
    beater_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        {
          MutexLock lock(mutex_);
          wake_.WaitFor(mutex_, absl::Milliseconds(200));
        }
        if (!beats_) continue;
        central_pb::LinkDown beat;
        beat.mutable_beat();
        Send(beat);
      }
    });
  }
  ~FakeCentral() override {
    beater_ = std::jthread();
    server_->Drain(absl::Seconds(1));
  }

  std::string address() const { return server_->address(); }
  void SetBeats(bool on) { beats_ = on; }
  void SetConfigures(bool on) { configures_ = on; }

  grpc::ServerBidiReactor<central_pb::LinkUp, central_pb::LinkDown>* Link(grpc::CallbackServerContext*) override {
    auto stream = LinkStream::Make(
        streams_, 256,
        {.on_message = [this](LinkStream& s, const central_pb::LinkUp& m) { Hear(s, m); }, .on_closed = nullptr});
    MutexLock lock(mutex_);
    stream_ = stream;
    return stream.get();
  }

  void Send(const central_pb::LinkDown& message) {
    std::shared_ptr<LinkStream> stream;
    {
      MutexLock lock(mutex_);
      stream = stream_;
    }
    if (stream) stream->Write(message);
  }
  void CloseLink(absl::Status status) {
    std::shared_ptr<LinkStream> stream;
    {
      MutexLock lock(mutex_);
      stream = stream_;
    }
    if (stream) stream->Close(std::move(status));
  }

  central_pb::LinkDown Configuration(std::int64_t epoch) const {
    central_pb::LinkDown message;
    auto& configuration = *message.mutable_configuration();
    configuration.set_link_epoch(epoch);
    configuration.mutable_price()->set_micros_per_kwh(350'000);
    configuration.mutable_price()->set_currency("EUR");
    return message;
  }

  // The grant's session is the number in hexadecimal.
  central_pb::LinkDown Prepare(std::int64_t number, std::int64_t target_mwh = 0) const {
    central_pb::LinkDown message;
    auto& command = *message.mutable_command();
    command.set_command_id("prepare-" + std::to_string(number));
    command.mutable_time_left()->set_seconds(10);
    auto& grant = *command.mutable_prepare_session()->mutable_grant();
    grant.set_session_id(SessionOf(number));
    grant.set_charging_point_id("cp_001");
    grant.set_grant_number(number);
    grant.set_driver_id("driver_001");
    grant.mutable_price()->set_micros_per_kwh(350'000);
    grant.mutable_price()->set_currency("EUR");
    grant.mutable_authorised_time()->set_seconds(1'750'000'000);
    grant.set_signature("signed");
    if (target_mwh > 0) grant.mutable_target()->set_energy_mwh(target_mwh);
    return message;
  }
  static std::string SessionOf(std::int64_t number) {
    std::string text = std::to_string(number);
    return std::string(32 - text.size(), '0') + text;
  }

  // Waits for a message that was not looked at before.
  template <typename Matches>
  bool WaitFor(absl::Duration limit, Matches matches) {
    return Eventually(limit, [&] {
      MutexLock lock(mutex_);
      for (; seen_ < heard_.size(); ++seen_) {
        if (matches(heard_[seen_])) {
          ++seen_;
          return true;
        }
      }
      return false;
    });
  }
  std::int64_t epoch() {
    MutexLock lock(mutex_);
    return epoch_;
  }

 private:
  void Hear(LinkStream& stream, const central_pb::LinkUp& message) {
    if (message.has_hello()) {
      central_pb::LinkDown welcome;
      {
        MutexLock lock(mutex_);
        welcome.mutable_welcome()->set_link_epoch(++epoch_);
      }
      stream.Write(welcome);
      if (configures_) stream.Write(Configuration(welcome.welcome().link_epoch()));
    }
    MutexLock lock(mutex_);
    heard_.push_back(message);
  }

  rpc::LiveStreams streams_;
  metrics::Registry registry_{"fake-central", "0"};
  metrics::Readiness readiness_{registry_, {}};
  std::atomic<bool> beats_ = true;
  std::atomic<bool> configures_ = true;
  Mutex mutex_;
  CondVar wake_;
  std::shared_ptr<LinkStream> stream_ ABSL_GUARDED_BY(mutex_);
  std::vector<central_pb::LinkUp> heard_ ABSL_GUARDED_BY(mutex_);
  std::size_t seen_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<rpc::Server> server_;
  std::jthread beater_;
};

}  // namespace ev

#endif  // EV_TESTS_INTEGRATION_ENGINE_FAKE_CENTRAL_H_
