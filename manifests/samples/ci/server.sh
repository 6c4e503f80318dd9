#!/bin/sh -e
# The server's side of the CI samples, with VAULT_ADDR and VAULT_TOKEN set. ISSUER is the address of the CI system's issuer;
# ISSUER_CA, where its certificate is not signed by a public authority, a file with the authority. A role without
# bound claims would be open to everybody who has an account at the issuer.
vault auth enable -path=ci jwt
vault write auth/ci/config oidc_discovery_url="${ISSUER:-https://token.actions.githubusercontent.com}" \
  ${ISSUER_CA:+oidc_discovery_ca_pem=@"$ISSUER_CA"}
vault policy write deploy - <<'POLICY'
path "secret/data/deploy" { capabilities = ["read"] }
POLICY
vault write auth/ci/role/deploy - <<ROLE
{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "policies": "deploy", "ttl": "10m",
 "bound_claims_type": "glob", "bound_claims": {"sub": "${SUBJECT:-repo:example/shop:ref:refs/heads/main}"}}
ROLE
vault kv put secret/deploy token=change-me
