"""What tests share and what they start: people, scenes, servers, stand-ins. No test is here."""
