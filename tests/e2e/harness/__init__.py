"""What the end-to-end tests act with: an API client, a gateway client, an approver, conditions."""
