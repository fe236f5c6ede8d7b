#include "libs/kube/api.h"

namespace sandgate::kube {

const Resource kSandboxes{"sandgate.dev", "v1alpha1", "sandboxes", "Sandbox"};
const Resource kExecutions{"sandgate.dev", "v1alpha1", "executions", "Execution"};
const Resource kApprovals{"sandgate.dev", "v1alpha1", "approvals", "Approval"};
const Resource kPods{"", "v1", "pods", "Pod"};
const Resource kSecrets{"", "v1", "secrets", "Secret"};
const Resource kConfigMaps{"", "v1", "configmaps", "ConfigMap"};
const Resource kServices{"", "v1", "services", "Service"};
const Resource kNamespaces{"", "v1", "namespaces", "Namespace", false};
const Resource kEvents{"", "v1", "events", "Event"};
const Resource kNetworkPolicies{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"};
const Resource kLeases{"coordination.k8s.io", "v1", "leases", "Lease"};
const Resource kRuntimeClasses{"node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false};
const Resource kValidatingAdmissionPolicies{"admissionregistration.k8s.io", "v1",
                                            "validatingadmissionpolicies",
                                            "ValidatingAdmissionPolicy", false};
const Resource kValidatingAdmissionPolicyBindings{"admissionregistration.k8s.io", "v1",
                                                  "validatingadmissionpolicybindings",
                                                  "ValidatingAdmissionPolicyBinding", false};
const Resource kMutatingAdmissionPolicies{"admissionregistration.k8s.io", "v1",
                                          "mutatingadmissionpolicies", "MutatingAdmissionPolicy",
                                          false};
const Resource kMutatingAdmissionPolicyBindings{"admissionregistration.k8s.io", "v1",
                                                "mutatingadmissionpolicybindings",
                                                "MutatingAdmissionPolicyBinding", false};
const Resource kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false};
const Resource kSubjectAccessReviews{"authorization.k8s.io", "v1", "subjectaccessreviews",
                                     "SubjectAccessReview", false};
const Resource kSelfSubjectReviews{"authentication.k8s.io", "v1", "selfsubjectreviews",
                                   "SelfSubjectReview", false};

}  // namespace sandgate::kube
