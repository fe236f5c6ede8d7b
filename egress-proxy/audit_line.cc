#include "egress-proxy/audit_line.h"

#include "libs/base/log.h"

namespace sandgate::egress {

void WriteAuditLine(const AuditLine& line) {
  base::LogInfo("egress connection", {{"verdict", line.carried ? "allowed" : "refused"},
                                      {"reason", ReasonName(line.reason)},
                                      {"namespace", line.name_space},
                                      {"execution", line.execution},
                                      {"runId", line.run_id},
                                      {"sandboxUid", line.sandbox_uid},
                                      {"client", line.client},
                                      {"host", line.host},
                                      {"address", line.address},
                                      {"detail", line.detail},
                                      {"bytesUp", line.bytes_up},
                                      {"bytesDown", line.bytes_down},
                                      {"durationMs", static_cast<int64_t>(line.duration.count())}});
}

}  // namespace sandgate::egress
