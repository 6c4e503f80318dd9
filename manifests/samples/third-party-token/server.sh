#!/bin/sh -e
# The server's side of this sample, with VAULT_ADDR and VAULT_TOKEN set. ISSUER is the service that signs the tokens;
# ISSUER_CA, where its certificate is not signed by a public authority, a file with the authority.
vault auth enable -path=tokens jwt
vault write auth/tokens/config oidc_discovery_url="${ISSUER:-https://tokens.example}" \
  ${ISSUER_CA:+oidc_discovery_ca_pem=@"$ISSUER_CA"}
vault policy write ledger - <<'POLICY'
path "secret/data/ledger" { capabilities = ["read"] }
POLICY
vault write auth/tokens/role/ledger role_type=jwt user_claim=sub bound_audiences=ledger policies=ledger ttl=1h
vault kv put secret/ledger some-password=change-me
