#include "cli/evctl/json.h"

#include <ostream>

#include "base/text.h"
#include "google/protobuf/util/json_util.h"

namespace ev::evctl {

absl::StatusOr<std::string> JsonText(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  print.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) {
    return absl::InternalError("an answer could not be printed as JSON");
  }
  return json;
}

absl::Status PrintJson(const google::protobuf::Message& message, std::ostream& out) {
  const auto json = JsonText(message);
  if (json.ok()) out << EscapeJson(*json) << '\n';
  return json.status();
}

}  // namespace ev::evctl
