"""Sources asked over the network: weather, market prices, carbon intensity. One module a service; `pull` lands what they answer."""
