// From an HTTP answer of the API server to a Status.
#pragma once

#include "libs/api/json.h"
#include "libs/base/status.h"
#include "libs/rest/client.h"

namespace sandgate::kube {

inline constexpr size_t kMaxErrorMessageBytes = 8 * 1024;

// Ok for 2xx; otherwise the code that api.h names for the status and the metav1.Status in the
// body, with the API server's own message.
base::Status StatusOf(const rest::Response& response);

// The same for a metav1.Status that came as a watch's ERROR event ("code" is in the object).
base::Status StatusOfObject(const api::Json& status);

}  // namespace sandgate::kube
