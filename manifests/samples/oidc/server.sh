#!/bin/sh -e
# The server's side of this sample, with VAULT_ADDR and VAULT_TOKEN set. ISSUER is the cluster's issuer; ISSUER_CA, where
# its certificate is not signed by a public authority, a file with the authority.
vault auth enable -path=cluster-a jwt
vault write auth/cluster-a/config oidc_discovery_url="${ISSUER:-https://issuer.example/cluster-a}" \
  ${ISSUER_CA:+oidc_discovery_ca_pem=@"$ISSUER_CA"}
vault policy write reports - <<'POLICY'
path "secret/data/reports" { capabilities = ["read"] }
POLICY
vault write auth/cluster-a/role/reports role_type=jwt user_claim=sub bound_audiences=vault \
  bound_subject=system:serviceaccount:reports:reports policies=reports ttl=1h
vault kv put secret/reports api_key=change-me
