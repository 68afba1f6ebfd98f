#include "cli/evctl/json.h"

#include <ostream>
#include <string>

#include "base/text.h"
#include "google/protobuf/util/json_util.h"

namespace ev::evctl {

absl::Status PrintJson(const google::protobuf::Message& message, std::ostream& out) {
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  print.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) {
    return absl::InternalError("an answer could not be printed as JSON");
  }
  out << EscapeJson(json) << '\n';
  return absl::OkStatus();
}

}  // namespace ev::evctl
