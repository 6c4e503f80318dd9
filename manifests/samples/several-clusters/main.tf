# One Vault for several clusters: one auth mount each, so that a token of one cluster is worth nothing
# at the mount of another.

terraform {
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = "~> 4.0"
    }
  }
}

variable "clusters" {
  description = "Each cluster's name, API server and CA, and the long-lived reviewer token"
  type = map(object({
    host         = string
    ca           = string
    reviewer_jwt = string
  }))
}

resource "vault_auth_backend" "cluster" {
  for_each = var.clusters
  type     = "kubernetes"
  path     = "kubernetes-${each.key}"
}

resource "vault_kubernetes_auth_backend_config" "cluster" {
  for_each           = var.clusters
  backend            = vault_auth_backend.cluster[each.key].path
  kubernetes_host    = each.value.host
  kubernetes_ca_cert = each.value.ca
  # Without a reviewer of its own the mount would show each pod's token to the API server, which
  # refuses tokens of the audience "vault".
  token_reviewer_jwt = each.value.reviewer_jwt
}

resource "vault_kubernetes_auth_backend_role" "checkout" {
  for_each                         = var.clusters
  backend                          = vault_auth_backend.cluster[each.key].path
  role_name                        = "checkout"
  bound_service_account_names      = ["checkout-sa"]
  bound_service_account_namespaces = ["payments"]
  audience                         = "vault"
  token_ttl                        = 3600
  token_policies                   = [vault_policy.checkout.name]
}

resource "vault_policy" "checkout" {
  name   = "checkout"
  policy = <<-POLICY
    path "database/creds/checkout-ro" {
      capabilities = ["read"]
    }
  POLICY
}
