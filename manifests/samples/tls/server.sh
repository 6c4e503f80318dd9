#!/bin/sh -e
# The server's side of this sample, with VAULT_ADDR and VAULT_TOKEN set. The mount `kubernetes` is there already.
vault secrets enable pki
vault secrets tune -max-lease-ttl=87600h pki
vault write pki/root/generate/internal common_name="shop internal" ttl=87600h
vault write pki/roles/web allowed_domains=shop.svc allow_subdomains=true max_ttl=72h
vault policy write web - <<'POLICY'
path "pki/issue/web" { capabilities = ["create", "update"] }
POLICY
vault write auth/kubernetes/role/web audience=vault policies=web ttl=1h \
  bound_service_account_names=web bound_service_account_namespaces=shop
