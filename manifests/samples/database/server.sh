#!/bin/sh -e
# The server's side of this sample, with VAULT_ADDR and VAULT_TOKEN set. The mounts `kubernetes` (docs/audiences.md)
# and `database`, with its role `checkout-ro`, are there already.
vault policy write checkout - <<'POLICY'
path "database/creds/checkout-ro" { capabilities = ["read"] }
POLICY
vault write auth/kubernetes/role/checkout audience=vault policies=checkout ttl=1h \
  bound_service_account_names=checkout-sa bound_service_account_namespaces=payments
